//! A server of Elasticsearch's protocol that keeps what it is told and takes nothing that the protocol's documents do not allow: each line
//! of a bulk, each field by the template, each word of a search. It answers 400 to anything else, and so the story ends.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::asked::{fits, is_of_type, page};

/// `USER:PASSWORD`, and what a request must say for it (RFC 7617).
pub const SECRET: &str = "tandem:open sesame";
const AUTHORIZATION: &str = "Basic dGFuZGVtOm9wZW4gc2VzYW1l";

/// What it keeps, and what it is to do.
#[derive(Default)]
pub struct Kept {
    /// What fields are, by the template.
    fields: Mutex<Value>,
    /// Documents by index and id.
    pub documents: Mutex<BTreeMap<(String, String), Value>>,
    /// How many requests it must still answer with 503.
    pub busy: AtomicUsize,
    /// How many records of the next bulk it must still have no room for (429).
    pub full: AtomicUsize,
    /// The id that it refuses.
    pub hated: Mutex<String>,
    /// Searches that it heard.
    pub searches: AtomicUsize,
}

type Reply = Result<Value, (u16, String)>;

fn wrong<T>(why: impl std::fmt::Display) -> Result<T, (u16, String)> {
    Err((400, why.to_string()))
}

/// Serves until the test ends; the answer is its address.
pub fn serve(kept: &Arc<Kept>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let kept = Arc::clone(kept);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever goes in the middle is not served.
            let _ = answer(stream, &kept);
        }
    });
    address
}

fn answer(stream: TcpStream, kept: &Kept) -> std::io::Result<()> {
    let mut reader = BufReader::new(&stream);
    let (mut first, mut headers) = (String::new(), BTreeMap::new());
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, told) = match kept.serve(&first, &headers, &String::from_utf8_lossy(&body)) {
        Ok(told) => (200, told),
        Err((status, why)) => (status, json!({ "status": status, "error": { "type": "refused", "reason": why } })),
    };
    let told = told.to_string();
    let head = format!("HTTP/1.1 {status} so\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", told.len());
    (&stream).write_all((head + &told).as_bytes())
}

impl Kept {
    fn serve(&self, first: &str, headers: &BTreeMap<String, String>, body: &str) -> Reply {
        if headers.get("authorization").map(String::as_str) != Some(AUTHORIZATION) {
            return Err((401, "nobody".into()));
        }
        if self.busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err((503, "later".into()));
        }
        let kind = headers.get("content-type").map_or("", String::as_str);
        let words: Vec<&str> = first.split_whitespace().collect();
        match (&words[..], kind) {
            (["PUT", "/_index_template/tandem-cdrs", _], "application/json") => self.template(body),
            (["POST", "/_bulk", _], "application/x-ndjson") => self.bulk(body),
            (
                ["POST", "/tandem-cdrs-*/_search?ignore_unavailable=true&allow_no_indices=true", _],
                "application/json",
            ) => {
                self.searches.fetch_add(1, Ordering::SeqCst);
                self.search(body)
            }
            (["GET", "/tandem-cdrs-*/_count?ignore_unavailable=true&allow_no_indices=true", _], "") => {
                Ok(json!({ "count": self.documents.lock().unwrap().len() }))
            }
            (["GET", "/_cat/indices/tandem-cdrs-*?h=index&format=json", _], "") => {
                let documents = self.documents.lock().unwrap();
                let mut names: Vec<&str> = documents.keys().map(|(index, _)| index.as_str()).collect();
                names.dedup();
                Ok(names.into_iter().map(|name| json!({ "index": name })).collect())
            }
            (["DELETE", path, _], "") if path.starts_with("/tandem-cdrs-") => {
                self.documents.lock().unwrap().retain(|(index, _), _| format!("/{index}") != *path);
                Ok(json!({ "acknowledged": true }))
            }
            _ => wrong(format!("{first} as {kind:?}")),
        }
    }

    fn template(&self, body: &str) -> Reply {
        let body: Value = serde_json::from_str(body).or_else(wrong)?;
        let mappings = &body["template"]["mappings"];
        if body["index_patterns"] != json!(["tandem-cdrs-*"]) || mappings["dynamic"] != false {
            return wrong("a template of other indexes, or one that makes fields by itself");
        }
        *self.fields.lock().unwrap() = mappings["properties"].clone();
        Ok(json!({ "acknowledged": true }))
    }

    fn bulk(&self, body: &str) -> Reply {
        let Some(lines) = body.strip_suffix('\n') else { return wrong("the last line must end") };
        let lines: Vec<&str> = lines.split('\n').collect();
        if !lines.len().is_multiple_of(2) {
            return wrong("an order without its record");
        }
        let items = lines.chunks_exact(2).map(|pair| self.record(pair)).collect::<Result<Vec<Value>, _>>()?;
        let errors = items.iter().any(|item| item["index"]["status"] != 201);
        Ok(json!({ "took": 1, "errors": errors, "items": items }))
    }

    fn record(&self, pair: &[&str]) -> Reply {
        let order: Value = serde_json::from_str(pair[0]).or_else(wrong)?;
        let record: Value = serde_json::from_str(pair[1]).or_else(wrong)?;
        let (index, id) = (&order["index"]["_index"], &order["index"]["_id"]);
        let (Some(index), Some(id)) = (index.as_str(), id.as_str()) else { return wrong(&order) };
        if order != json!({ "index": { "_index": index, "_id": id } }) || record["id"] != id {
            return wrong(&order);
        }
        let day = jiff::Timestamp::from_microsecond(record["started_us"].as_i64().unwrap_or(-1)).unwrap();
        if index != format!("tandem-cdrs-{}", day.strftime("%Y.%m.%d")) {
            return wrong(format!("{index} holds another day than {record}"));
        }
        let fields = self.fields.lock().unwrap();
        let told = record.as_object().unwrap();
        if told.len() != fields.as_object().map_or(0, serde_json::Map::len) {
            return wrong(format!("fields that the template does not know, or not all of them: {record}"));
        }
        if let Some((name, value)) = told.iter().find(|(name, value)| !is_of_type(&fields[name.as_str()], value)) {
            return wrong(format!("{name} is {value}, the template says {}", fields[name.as_str()]));
        }
        let mut said = json!({ "_index": index, "_id": id });
        if self.full.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            said["status"] = 429.into();
            said["error"] = json!({ "type": "es_rejected_execution_exception", "reason": "no room" });
        } else if *self.hated.lock().unwrap() == id {
            said["status"] = 400.into();
            said["error"] = json!({ "type": "mapper_parsing_exception", "reason": "not this one" });
        } else {
            said["status"] = 201.into();
            self.documents.lock().unwrap().insert((index.to_owned(), id.to_owned()), record);
        }
        Ok(json!({ "index": said }))
    }

    fn search(&self, body: &str) -> Reply {
        let body: Value = serde_json::from_str(body).or_else(wrong)?;
        let fields = self.fields.lock().unwrap();
        let mut found = Vec::new();
        for ((index, id), record) in self.documents.lock().unwrap().iter() {
            if fits(&body["query"], record, &fields).or_else(wrong)? {
                let source = json!({ "started_us": record["started_us"] });
                let sort = json!([record["started_us"], record["id"]]);
                found.push(json!({ "_index": index, "_id": id, "_score": null, "_source": source, "sort": sort }));
            }
        }
        let hits = page(&body, found).or_else(wrong)?;
        Ok(json!({ "took": 1, "timed_out": false, "_shards": { "total": 1, "failed": 0 }, "hits": { "hits": hits } }))
    }
}
