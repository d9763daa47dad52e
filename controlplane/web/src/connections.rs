//! The connections that requests come by. Nobody keeps one by saying nothing.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tower_http::timeout::TimeoutBody;

use crate::auth::Proxies;

/// How long who asks may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the last answer, or from its connection, to the end of a request's head.
    pub head: Duration,
    /// From one piece of a body to the next.
    pub body: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { head: Duration::from_secs(60), body: Duration::from_secs(30) }
    }
}

/// Serves until the future is dropped; answers that are on their way then go on.
pub async fn serve(mut listener: TcpListener, router: Router, patience: Patience, proxies: Proxies) -> io::Result<()> {
    loop {
        // Through axum's trait: it goes on after somebody who is gone already, and waits where descriptors are used up.
        let (stream, peer) = Listener::accept(&mut listener).await;
        tokio::spawn(answer(stream, peer, router.clone(), patience, proxies.clone()));
    }
}

async fn answer(stream: TcpStream, peer: SocketAddr, router: Router, patience: Patience, proxies: Proxies) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request: Request<Incoming>| {
        let mut request = request.map(|body| Body::new(TimeoutBody::new(patience.body, body)));
        let from = SocketAddr::new(proxies.caller(peer.ip(), request.headers()), peer.port());
        request.extensions_mut().insert(ConnectInfo(from));
        router.call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience.head);
    if let Err(flaw) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%peer, %flaw, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::routing::post;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const WHOLE: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";

    /// What a server with little patience says to this text until it closes.
    async fn said_to(text: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", post(|body: Bytes| async { body }));
        let patience = Patience { head: Duration::from_millis(300), body: Duration::from_millis(300) };
        let server = tokio::spawn(serve(listener, router, patience, Proxies::default()));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        server.abort();
        said
    }

    #[tokio::test]
    async fn who_says_nothing_or_half_a_head_is_let_go() {
        assert_eq!(said_to("").await, "");
        assert_eq!(said_to("POST / HTTP/1.1\r\nhost: a\r\ncontent-le").await, "");
    }

    #[tokio::test]
    async fn who_says_nothing_more_after_an_answer_is_let_go() {
        let said = said_to(&WHOLE.repeat(2)).await;
        assert_eq!(said.matches("HTTP/1.1 200 OK").count(), 2, "{said}");
    }

    #[tokio::test]
    async fn a_body_that_does_not_go_on_is_refused() {
        let said = said_to(&WHOLE[..WHOLE.len() - 1]).await;
        assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    }
}
