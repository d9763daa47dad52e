//! etcd's messages as its JSON gateway writes them: bytes in base64, 64-bit numbers as strings, empty fields left out.

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

/// A lease's number. Keys put under it are deleted when its time passes without [`crate::Etcd::keep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease(pub i64);

/// A key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub key: String,
    /// What is written there.
    pub value: Vec<u8>,
    /// The store's revision that wrote it last.
    pub revision: i64,
    /// It goes when this lease ends; `None`: it stays.
    pub lease: Option<Lease>,
}

/// Everything below a prefix at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The entries in the order of their keys.
    pub entries: Vec<Entry>,
    /// The store's revision at that moment.
    pub revision: i64,
}

/// What must be so for a transaction to write.
#[derive(Clone, Copy, Debug)]
pub enum Compare<'a> {
    /// The key was last written by this revision of the store; 0: it is not there.
    WrittenBy(&'a str, i64),
    /// The key is there.
    Present(&'a str),
}

/// One write of a transaction.
#[derive(Clone, Copy, Debug)]
pub enum Write<'a> {
    /// The key gets a value, under a lease or for good.
    Put(&'a str, &'a [u8], Option<Lease>),
    /// The key goes.
    Delete(&'a str),
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// The first key behind everything that begins with the prefix (etcd's `range_end`).
pub(crate) fn behind(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // etcd's word for "to the end".
    vec![0]
}

pub(crate) fn range(prefix: &str) -> Value {
    json!({ "key": base64(prefix.as_bytes()), "range_end": base64(&behind(prefix)) })
}

pub(crate) fn put(key: &str, value: &[u8], lease: Option<Lease>) -> Value {
    let lease = lease.map_or(0, |lease| lease.0).to_string();
    json!({ "key": base64(key.as_bytes()), "value": base64(value), "lease": lease })
}

impl Compare<'_> {
    pub(crate) fn json(self) -> Value {
        match self {
            Compare::WrittenBy(key, revision) => json!({
                "key": base64(key.as_bytes()), "target": "MOD", "result": "EQUAL", "mod_revision": revision.to_string(),
            }),
            Compare::Present(key) => json!({
                "key": base64(key.as_bytes()), "target": "CREATE", "result": "GREATER", "create_revision": "0",
            }),
        }
    }
}

impl Write<'_> {
    pub(crate) fn json(self) -> Value {
        match self {
            Write::Put(key, value, lease) => json!({ "request_put": put(key, value, lease) }),
            Write::Delete(key) => json!({ "request_delete_range": { "key": base64(key.as_bytes()) } }),
        }
    }
}

/// A 64-bit number: a string, a number, or left out because it is 0.
pub(crate) fn number(value: &Value) -> i64 {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value.as_str() {
        Some(text) => Base64::decode_vec(text).ok(),
        None => Some(Vec::new()),
    }
}

/// A key-value pair; `None` if etcd would never write that.
pub(crate) fn entry(value: &Value) -> Option<Entry> {
    let lease = number(&value["lease"]);
    Some(Entry {
        key: String::from_utf8(bytes(&value["key"])?).ok()?,
        value: bytes(&value["value"])?,
        revision: number(&value["mod_revision"]),
        lease: (lease != 0).then_some(Lease(lease)),
    })
}

/// The page in a range's answer.
pub(crate) fn page(answer: &Value) -> Option<Page> {
    let entries = match &answer["kvs"] {
        Value::Array(all) => all.iter().map(entry).collect::<Option<Vec<Entry>>>()?,
        _ => Vec::new(),
    };
    Some(Page { entries, revision: number(&answer["header"]["revision"]) })
}

#[cfg(test)]
mod tests {
    use super::behind;

    #[test]
    fn the_end_of_a_prefix_is_the_next_word() {
        assert_eq!(behind("/a/"), b"/a0");
        assert_eq!(behind("a\u{7f}"), b"a\x80");
        assert_eq!(behind(""), b"\0");
    }
}
