//! One node for one story: a server on a port of its own, a store in a folder of its own, and a small HTTP reader.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use cluster::MachineStatus;
use panel::wire::{Answer, Ask, CallRow, Figures, Peers, RoomRow};
use serde_json::{Value, json};
use store::{Reports, Store, StoreError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use units::WallTime;
use web::api::apply::{ApplyAction, ApplyAsk, ApplyChange, ApplyReport};
use web::{
    Apply, ApplyMistake, ApplyRefusal, Backlog, Cluster, Later, Link, LinkDown, OneTimeTokens, Proxies, Services,
};

/// A data plane made of values.
#[derive(Default)]
pub struct Pretend {
    pub down: AtomicBool,
    pub figures: Mutex<Figures>,
    pub calls: Mutex<Vec<CallRow>>,
    pub peers: Mutex<Peers>,
    pub rooms: Mutex<Vec<RoomRow>>,
    pub asked: Mutex<Vec<Ask>>,
}

impl Link for Pretend {
    fn ask(&self, ask: Ask) -> Later<'_, Result<Answer, LinkDown>> {
        Box::pin(async move {
            if self.down.load(Ordering::SeqCst) {
                return Err(LinkDown);
            }
            self.asked.lock().unwrap().push(ask.clone());
            Ok(match ask {
                Ask::Figures => Answer::Figures(Box::new(self.figures.lock().unwrap().clone())),
                Ask::Calls { limit } => {
                    Answer::Calls(self.calls.lock().unwrap().iter().take(limit as usize).cloned().collect())
                }
                Ask::Peers => Answer::Peers(Box::new(self.peers.lock().unwrap().clone())),
                Ask::Rooms => Answer::Rooms(self.rooms.lock().unwrap().clone()),
                Ask::Release { call } if !self.calls.lock().unwrap().iter().any(|row| row.call == call) => {
                    Answer::Refused { reason: "no such call".into() }
                }
                _ => Answer::Done,
            })
        })
    }

    fn backlog(&self) -> Backlog {
        let at = |seconds: i64| Some(WallTime::from_micros(1_700_000_000_000_000 + seconds * 1_000_000));
        let (oldest, away_since) = (at(0), at(60));
        Backlog { records: Some(3), bytes: Some(300), oldest, away_since, set_aside: 2, ..Backlog::default() }
    }
}

/// Takes a file whose text is `good`, has no primary for one that is `too late`, and finds a mistake in any other.
struct Applier;

impl Apply for Applier {
    fn apply(&self, ask: ApplyAsk, _actor: String) -> Later<'_, Result<ApplyReport, ApplyRefusal>> {
        Box::pin(async move {
            if ask.yaml == "too late" {
                return Err(ApplyRefusal::Store(StoreError::ReadOnly("--read-only".into())));
            }
            if ask.yaml != "good" {
                let field = "carriers[0].code".to_owned();
                let mistake = ApplyMistake { file: ask.name, line: 2, column: 9, field, why: "is empty".into() };
                return Err(ApplyRefusal::Mistakes(vec![mistake]));
            }
            let change = ApplyChange {
                action: ApplyAction::Create,
                kind: "carrier".into(),
                code: "acme".into(),
                detail: String::new(),
            };
            Ok(ApplyReport { changes: vec![change], applied: !ask.dry_run })
        })
    }
}

/// A running server and all that it leans on. Dropped, everything is gone.
pub struct Node {
    pub address: SocketAddr,
    pub store: Store,
    pub link: Arc<Pretend>,
    pub publish: Arc<Notify>,
    pub tokens: Arc<OneTimeTokens>,
    pub folder: tempfile::TempDir,
    /// How the machine does.
    pub machine: watch::Sender<MachineStatus>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|flaw| panic!("{flaw}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Asserts the status and gives the JSON.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Asserts an RFC 9457 problem of this status and code.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.expect(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert_eq!(self.header("www-authenticate").starts_with("Bearer "), status == 401);
        for field in ["type", "title", "detail"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {problem}");
        }
        problem
    }
}

impl Node {
    pub async fn start() -> Node {
        Node::start_in(None).await
    }

    /// Starts as one of a cluster.
    pub async fn start_in(cluster: Option<Arc<dyn Cluster>>) -> Node {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("tandem.sqlite").display());
        let store = Store::open(&url).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (link, publish) = (Arc::new(Pretend::default()), Arc::new(Notify::new()));
        let tokens = Arc::new(OneTimeTokens::default());
        let (machine, seen) = watch::channel(MachineStatus::default());
        let files_settings = files::Settings { to: vec!["/mnt/\"calls\"".parse().unwrap()], ..Default::default() };
        // Nobody listens on port 1 (tcpmux).
        let nowhere = search::Settings { url: "http://127.0.0.1:1".into(), ..Default::default() };
        let services = Services {
            store: store.clone(),
            link: Arc::clone(&link) as Arc<dyn Link>,
            data_dir: folder.path().to_owned(),
            publish: Arc::clone(&publish),
            apply: Arc::new(Applier),
            files: files::Files::reader(folder.path(), files_settings).unwrap(),
            search: search::Search::reader(search::Engine::new(&nowhere).unwrap()),
            one_time_tokens: Arc::clone(&tokens),
            node: units::NodeId(1),
            reports: Reports::new(store.clone(), None),
            machine: seen,
            cluster,
            // Who says nothing of others is taken for itself.
            proxies: Proxies::read(&["127.0.0.1"]).unwrap(),
            version: "0.1.0-test".into(),
        };
        let server = tokio::spawn(web::serve(listener, services));
        Node { address, store, link, publish, tokens, folder, machine, server }
    }

    /// One request, one connection.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut stream = self.open(method, path, headers, body).await;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let split = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&bytes[..split]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Reply { status, headers: lines.filter_map(pair).collect(), body: bytes[split + 4..].to_vec() }
    }

    /// Sends a request and leaves the answer to be read.
    pub async fn open(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        stream
    }

    /// Logs in with a one-time token; the answers are the cookie and the CSRF token.
    pub async fn log_in(&self) -> Browser<'_> {
        let body = json!({ "token": self.tokens.issue() }).to_string();
        let reply = self.send("POST", "/api/v1/sessions", JSON, body.as_bytes()).await;
        let me = reply.expect(200);
        let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
        Browser { node: self, cookie, csrf: me["csrf_token"].as_str().unwrap().to_owned() }
    }

    /// Logs in as a user with a password.
    pub async fn log_in_as(&self, user: &str, password: &str) -> Browser<'_> {
        let body = json!({ "user": user, "password": password }).to_string();
        let reply = self.send("POST", "/api/v1/sessions", JSON, body.as_bytes()).await;
        let me = reply.expect(200);
        let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
        Browser { node: self, cookie, csrf: me["csrf_token"].as_str().unwrap().to_owned() }
    }

    /// Publishes the store as the control plane would.
    pub async fn publish(&self) -> u64 {
        let model = self.store.model().await.unwrap();
        let folder = self.folder.path().join("snapshots");
        std::fs::create_dir_all(&folder).unwrap();
        let name = format!("{}.snap", model.revision);
        std::fs::write(folder.join(&name), model.encode().unwrap()).unwrap();
        std::fs::write(folder.join("current"), &name).unwrap();
        model.revision.0
    }
}

pub const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// A logged-in browser whose pages are ours.
pub struct Browser<'a> {
    pub node: &'a Node,
    pub cookie: String,
    pub csrf: String,
}

impl Browser<'_> {
    pub async fn get(&self, path: &str) -> Reply {
        self.node.send("GET", path, &[("cookie", &self.cookie)], b"").await
    }

    pub async fn send(&self, method: &str, path: &str, body: Value) -> Reply {
        self.send_if(method, path, None, body).await
    }

    pub async fn send_if(&self, method: &str, path: &str, tag: Option<&str>, body: Value) -> Reply {
        let mut headers =
            vec![("cookie", self.cookie.as_str()), ("x-csrf-token", &self.csrf), ("content-type", "application/json")];
        headers.extend(tag.map(|tag| ("if-match", tag)));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.node.send(method, path, &headers, body.as_bytes()).await
    }

    /// Makes something and gives its JSON.
    pub async fn make(&self, path: &str, body: Value) -> Value {
        self.send("POST", path, body).await.expect(201)
    }

    pub async fn upload_bytes(&self, path: &str, bytes: &[u8]) -> Reply {
        let kind = ("content-type", "application/octet-stream");
        let headers = [("cookie", self.cookie.as_str()), ("x-csrf-token", &self.csrf), kind];
        self.node.send("POST", path, &headers, bytes).await
    }

    /// Imports a file into a deck and applies it at once.
    pub async fn fill(&self, deck: &str, csv: &str) -> Value {
        let made = self.upload(&format!("/api/v1/decks/{deck}/imports"), csv).await.expect(201);
        let id = made["id"].as_str().unwrap();
        self.send("POST", &format!("/api/v1/imports/{id}/apply"), json!({})).await.expect(200)
    }

    pub async fn upload(&self, path: &str, csv: &str) -> Reply {
        let headers = [("cookie", self.cookie.as_str()), ("x-csrf-token", &self.csrf), ("content-type", "text/csv")];
        self.node.send("POST", path, &headers, csv.as_bytes()).await
    }

    /// Two carriers, their accounts, decks, trunks and a plan: enough for a call from acme to blux or oria.
    pub async fn furnish(&self) {
        for code in ["acme", "blux", "oria"] {
            self.make("/api/v1/carriers", json!({ "code": code })).await;
        }
        for (code, carrier) in [("acme", 1), ("blux", 2), ("oria", 3)] {
            let new = json!({ "code": code, "carrier": format!("car_{carrier}"), "kind": "prepaid" });
            self.make("/api/v1/accounts", new).await;
        }
        for (code, id, price) in [("sell", 1, "0.0124"), ("blux-buy", 2, "0.0098"), ("oria-buy", 3, "0.0200")] {
            self.make("/api/v1/decks", json!({ "code": code })).await;
            let csv = format!("prefix,destination,rate\n4420,UK London,{price}\n");
            self.fill(&format!("dck_{id}"), &csv).await;
        }
        for (code, id) in [("blux", 2), ("oria", 3)] {
            let new = json!({ "code": code, "carrier": format!("car_{id}"), "account": format!("acc_{id}"),
                "address": format!("127.0.2.{id}:5060"), "buy_deck": format!("dck_{id}"), "add_prefix": "00" });
            self.make("/api/v1/egress-trunks", new).await;
        }
        let routes = json!([{ "egress_trunk": "etr_1" }, { "egress_trunk": "etr_2" }]);
        self.make("/api/v1/plans", json!({ "code": "world", "routes": routes })).await;
        let new = json!({ "code": "acme-in", "carrier": "car_1", "account": "acc_1", "tech_prefix": "99",
            "sources": [{ "network": "127.0.1.1" }, { "network": "10.0.0.0/8", "port": 5070 }],
            "plan": "pln_1", "sell_deck": "dck_1" });
        self.make("/api/v1/ingress-trunks", new).await;
    }
}
