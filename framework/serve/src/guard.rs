//! What every request passes: limits, time, metrics.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::Shared;
use crate::fault::{Fault, Part};
use crate::problem::Problem;

/// Checks a request before it is read, bounds the time it takes, and records it under its route, never its actor.
pub(crate) async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let response = match run(&shared, request, next).await {
        Ok(response) => response,
        Err(fault) => Problem::from(fault).into_response(),
    };
    let route = path.as_ref().map_or("unmatched", MatchedPath::as_str).to_owned();
    let labels = [("route", route), ("code", response.status().as_str().to_owned())];
    metrics::histogram!("nowfold_query_seconds", &labels).record(started.elapsed().as_secs_f64());
    response
}

async fn run(shared: &Shared, request: Request, next: Next) -> Result<Response, Fault> {
    let limits = &shared.app.limits;
    if request.uri().path_and_query().is_some_and(|path| path.as_str().len() > limits.uri_bytes) {
        return Err(Fault::TooLong { part: Part::Uri, limit: limits.uri_bytes });
    }
    if !shared.app.remote {
        check_host(&request)?;
    }
    if content_length(request.headers()).is_some_and(|length| length > limits.body_bytes as u64) {
        return Err(Fault::TooLong { part: Part::Body, limit: limits.body_bytes });
    }
    let _permit = shared.requests.try_acquire().map_err(|_| Fault::Busy { limit: limits.requests })?;
    let answered = tokio::time::timeout(limits.request_timeout, next.run(request)).await;
    answered.map_err(|_| Fault::TooSlow { limit_ms: limits.request_timeout.as_millis() })
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A page in a browser can be made to reach a loopback address under a name of its own (DNS rebinding) and would then
/// read the answers; its requests name that host.
fn check_host(request: &Request) -> Result<(), Fault> {
    let host = request.headers().get(header::HOST).map_or(Ok(""), |host| host.to_str());
    let host = request.uri().authority().map_or(host.unwrap_or("?"), |authority| authority.as_str());
    if is_local(host) { Ok(()) } else { Err(Fault::ForeignHost { host: host.to_owned() }) }
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let address = name.parse::<IpAddr>();
    name.is_empty() || name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_local_hosts_from_others() {
        for host in ["localhost", "LOCALHOST:7070", "127.0.0.1", "127.8.9.1:80", "[::1]:7070", "[::1]", ""] {
            assert!(is_local(host), "{host:?}");
        }
        for host in
            ["evil.example", "evil.example:7070", "localhost.evil.example", "10.0.0.1:7070", "127.0.0.1.nip.io", "?"]
        {
            assert!(!is_local(host), "{host:?}");
        }
    }
}
