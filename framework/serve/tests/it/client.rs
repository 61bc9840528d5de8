//! A client of a few lines: what it writes is what goes over the wire.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// One connection.
pub(crate) struct Client(BufReader<TcpStream>);

/// One response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A request over a connection of its own.
pub(crate) fn get(address: SocketAddr, target: &str) -> Reply {
    Client::connect(address).send("GET", target, None)
}

/// A request with a body over a connection of its own.
pub(crate) fn post(address: SocketAddr, target: &str, body: &Value) -> Reply {
    Client::connect(address).send("POST", target, Some(&body.to_string()))
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends a request and reads its response.
    pub(crate) fn send(&mut self, method: &str, target: &str, body: Option<&str>) -> Reply {
        let length = body.map_or_else(String::new, |body| format!("content-length: {}\r\n", body.len()));
        self.write(&format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\n{length}\r\n{}", body.unwrap_or("")));
        self.read(method != "HEAD").expect("no response")
    }

    /// Sends a request without a body and reads its response, if there is one.
    pub(crate) fn try_send(&mut self, method: &str, target: &str) -> Option<Reply> {
        self.write(&format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\n\r\n"));
        self.read(method != "HEAD")
    }

    /// Whether the server leaves the connection open for this long without a word.
    pub(crate) fn is_open_for(&mut self, time: Duration) -> bool {
        self.0.get_mut().set_read_timeout(Some(time)).unwrap();
        let read = self.0.fill_buf().map(<[u8]>::len);
        read.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// Writes text as it is; the server may have closed the connection.
    pub(crate) fn write(&mut self, text: &str) {
        let _ = self.0.get_mut().write_all(text.as_bytes());
    }

    /// Reads a response; none when the server closed the connection.
    pub(crate) fn read(&mut self, with_body: bool) -> Option<Reply> {
        let status = self.line()?.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
                None => break,
            }
        }
        let mut reply = Reply { status, headers, body: Vec::new() };
        if with_body {
            reply.body.resize(reply.header("content-length").map_or(0, |length| length.parse().unwrap()), 0);
            self.0.read_exact(&mut reply.body).ok()?;
        }
        Some(reply)
    }

    /// Whether the server has closed the connection, after waiting for it.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).ok()?;
        line.strip_suffix("\r\n").map(str::to_owned)
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    /// The code of an error; empty for another answer.
    pub(crate) fn json_code(&self) -> String {
        let json = serde_json::from_slice::<Value>(&self.body).unwrap_or_default();
        json["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Status and code of an error, whose sentence begins with its code.
    #[track_caller]
    pub(crate) fn error(&self) -> (u16, String) {
        let json = self.json();
        let code = json["code"].as_str().unwrap_or_default().to_owned();
        assert!(json["message"].as_str().is_some_and(|message| message.starts_with(&code)), "{json}");
        assert!(json["next"].as_str().is_some_and(|next| !next.is_empty()), "{json}");
        (self.status, code)
    }
}
