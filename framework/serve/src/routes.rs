//! Every path and what answers it.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::Shared;
use crate::fault::Fault;
use crate::guard::guard;
use crate::problem::Problem;
use crate::{actions, batch, erase, explain, features, health, metrics_page, stores, topology};

/// The description of all paths for machines; a test holds it and [`table`] together.
pub(crate) const OPENAPI: &str = include_str!("openapi.json");

/// Every path, its methods as `Allow` names them, and what answers it.
fn table() -> Vec<(&'static str, &'static str, MethodRouter<Arc<Shared>>)> {
    let read = "GET,HEAD";
    vec![
        ("/v1/actors/{actor}/features", read, get(features::get)),
        ("/v1/stores/{store}/actors/{actor}/features", read, get(features::get)),
        ("/v1/actors/{actor}/actions", read, get(actions::get)),
        ("/v1/stores/{store}/actors/{actor}/actions", read, get(actions::get)),
        ("/v1/actors/{actor}/explain", read, get(explain::get)),
        ("/v1/stores/{store}/actors/{actor}/explain", read, get(explain::get)),
        ("/v1/actors/{actor}", "DELETE", delete(erase::delete)),
        ("/v1/stores/{store}/actors/{actor}", "DELETE", delete(erase::delete)),
        ("/v1/features", "POST", post(batch::post)),
        ("/v1/stores/{store}/features", "POST", post(batch::post)),
        ("/v1/stores", read, get(stores::get)),
        ("/v1/topology", read, get(topology::get)),
        ("/livez", read, get(health::livez)),
        ("/readyz", read, get(health::readyz)),
        ("/metrics", read, get(metrics_page::get)),
        ("/openapi.json", read, get(openapi)),
    ]
}

/// All paths behind the guard.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let body_limit = DefaultBodyLimit::max(shared.app.limits.body_bytes);
    let add = |router: Router<Arc<Shared>>, (path, allowed, methods): (&str, &'static str, MethodRouter<_>)| {
        let refuse = move |method: Method| async move { method_not_allowed(&method, allowed) };
        router.route(path, methods.fallback(refuse))
    };
    let router = table().into_iter().fold(Router::new(), add).fallback(nothing_here);
    let router = router.layer(body_limit).layer(CatchPanicLayer::custom(panicked));
    router.layer(from_fn_with_state(shared.clone(), guard)).with_state(shared)
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn nothing_here() -> Problem {
    Fault::NoSuchPath.into()
}

fn method_not_allowed(method: &Method, allowed: &'static str) -> Problem {
    Fault::Method { method: method.to_string(), allowed }.into()
}

/// What panicked is written to standard error by the panic hook; clients learn nothing of it.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a request panicked");
    Problem::from(Fault::Internal).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::*;
    use crate::options::OPTIONS;

    fn document() -> Value {
        serde_json::from_str(OPENAPI).unwrap()
    }

    #[test]
    fn the_description_names_every_path_and_method() {
        let described: BTreeMap<_, BTreeSet<_>> = document()["paths"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(path, item)| (path.clone(), item.as_object().unwrap().keys().map(|m| m.to_uppercase()).collect()))
            .collect();
        let methods = |allowed: &str| allowed.split(',').filter(|m| *m != "HEAD").map(str::to_owned).collect();
        let served: BTreeMap<_, BTreeSet<_>> =
            table().into_iter().map(|(path, allowed, _)| (path.to_owned(), methods(allowed))).collect();
        assert_eq!(described, served);
    }

    #[test]
    fn the_description_names_every_parameter() {
        let document = document();
        for (path, _, _) in table() {
            let known: BTreeSet<_> = match path {
                path if path.ends_with("{actor}/features") => [features::PARAMS, OPTIONS].concat(),
                path if path.ends_with("{actor}/actions") => [actions::PARAMS, OPTIONS].concat(),
                path if path.ends_with("{actor}/explain") => [explain::PARAMS, OPTIONS].concat(),
                path if path.ends_with("{actor}") => erase::PARAMS.to_vec(),
                "/v1/topology" => topology::PARAMS.to_vec(),
                _ => Vec::new(),
            }
            .into_iter()
            .collect();
            let item = &document["paths"][path];
            let operation = item.get("get").or(item.get("delete")).unwrap_or(&Value::Null);
            let given = operation["parameters"].as_array().into_iter().flatten();
            let given = given.map(|parameter| match parameter["$ref"].as_str() {
                Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
                None => parameter,
            });
            let (mut query, mut in_path) = (BTreeSet::new(), BTreeSet::new());
            for parameter in given {
                let name = parameter["name"].as_str().unwrap();
                if parameter["in"] == "query" {
                    query.insert(name)
                } else {
                    in_path.insert(name)
                };
            }
            assert_eq!(query, known, "{path}");
            if path.contains('{') && !operation.is_null() {
                assert!(in_path.iter().all(|name| path.contains(&format!("{{{name}}}"))), "{path}");
                assert_eq!(in_path.len(), path.matches('{').count(), "{path}");
            }
        }
    }
}
