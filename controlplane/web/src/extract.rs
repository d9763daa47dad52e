//! Bodies, queries and paths whose flaws become problems with a pointer instead of plain text.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::str::FromStr;

use crate::problem::{Code, Flaw, Problem};
use crate::strict::Strict;

/// A JSON body.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Problem> {
        read_json(&json_bytes(request, state).await?).map(Body)
    }
}

/// The bytes of a JSON object.
async fn json_bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    // A page of another site can send forms and plain text with our cookie, but not JSON.
    if !["application/json", "application/merge-patch+json"].iter().any(|json| kind.eq_ignore_ascii_case(json)) {
        return Err(Problem::new(Code::MediaType, "the header content-type must be application/json"));
    }
    let bytes = bytes(request, state).await?;
    // Serde would take a list for an object by the order of its fields, and an empty one for an object without fields.
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') | None => Ok(bytes),
        Some(b'[' | b'"' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9') => Err(Problem::invalid("", OBJECT_WANTED)),
        Some(_) => Err(Problem::new(Code::Malformed, OBJECT_WANTED)),
    }
}

/// A JSON body that changes an object: what it leaves out stays.
pub struct Patch<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + PartialEq> FromRequest<S> for Patch<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Patch<T>, Problem> {
        let bytes = json_bytes(request, state).await?;
        let patch: T = read_json(&bytes)?;
        // RFC 7396 takes a field away by null. Where there is no such thing it would be taken for a field that was left out, without a word.
        let Ok(Value::Object(fields)) = serde_json::from_slice(&bytes) else { return Ok(Patch(patch)) };
        for name in fields.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name) {
            let others =
                fields.iter().filter(|(other, _)| *other != name).map(|(name, value)| (name.clone(), value.clone()));
            if serde_json::from_value::<T>(Value::Object(others.collect())).is_ok_and(|without| without == patch) {
                let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
                return Err(Problem::invalid(
                    pointer,
                    "null is no value here; a field that is left out stays as it is",
                ));
            }
        }
        Ok(Patch(patch))
    }
}

const OBJECT_WANTED: &str = "the body must be a JSON object in UTF-8";

/// The bytes of a body, within the limit of its route.
pub async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let read = Bytes::from_request(request, state).await;
    read.map_err(|_| {
        Problem::new(Code::TooLarge, "the body is longer than this path accepts, broke off or stood still")
    })
}

fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut reader);
    let again = match &read {
        // Where there is a list it may stand for an object, which only a second look tells.
        Ok(_) => bytes.contains(&b'['),
        // 46.0 is a whole number (JSON Schema 2020-12, Core §6.3), which serde alone would refuse.
        Err(flaw) => flaw.inner().to_string().contains("floating point `"),
    };
    if again {
        let again = serde_json::from_slice(bytes).map_err(|flaw| Problem::new(Code::Malformed, flaw.to_string()))?;
        return serde_path_to_error::deserialize(Strict(again)).map_err(flawed);
    }
    let value = read.map_err(flawed)?;
    reader.end().map_err(|flaw| Problem::new(Code::Malformed, flaw.to_string()))?;
    Ok(value)
}

fn flawed(flaw: serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let pointer = pointer(flaw.path());
    let inner = flaw.into_inner();
    let shape = inner.is_data();
    let mut message = inner.to_string();
    if shape {
        // The pointer says where: what people typed into a form has no line and column.
        message.truncate(message.rfind(" at line ").unwrap_or(message.len()));
        message = plain(&message);
    }
    let code = if shape { Code::Invalid } else { Code::Malformed };
    let mut problem = Problem::new(code, message.clone());
    problem.errors.push(Flaw { pointer, message });
    problem
}

/// The same in words of whoever writes requests: our types are none of theirs.
fn plain(message: &str) -> String {
    let Some((given, wanted)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    let wanted = match wanted.split(' ').next().unwrap_or("") {
        "struct" => "an object".to_owned(),
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" => format!("a whole number from 0 to {}", u64::MAX),
        "i32" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        _ => wanted.to_owned(),
    };
    format!("{given}, expected {wanted}")
}

/// What the standard library says of a text that is no number, in the same words.
fn plain_number(message: &str) -> String {
    let known = [
        ("invalid digit found in string", "a whole number is wanted"),
        ("cannot parse integer from empty string", "a whole number is wanted"),
        ("number too large to fit in target type", "the number is too large"),
        ("number too small to fit in target type", "the number is too small"),
        ("provided string was not `true` or `false`", "true or false is wanted"),
    ];
    known.iter().fold(message.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}

/// A JSON Pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// A query string.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Query<T>, Problem> {
        let read = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        read.map(|query| Query(query.0)).map_err(|flaw| {
            let message = flaw.body_text();
            let message = message.strip_prefix("Failed to deserialize query string: ").unwrap_or(&message).to_owned();
            let name = message.split([':', '`']).next().unwrap_or("").trim().to_owned();
            Problem::invalid(format!("?{name}"), plain_number(&message))
        })
    }
}

/// The one captured part of a path; what cannot be read names nothing, so it is a 404.
pub struct Key<T>(pub T);

impl<S: Send + Sync, T: FromStr + Send> FromRequestParts<S> for Key<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Key<T>, Problem> {
        let captured = axum::extract::RawPathParams::from_request_parts(parts, state).await;
        let captured = captured.map_err(|_| Problem::not_found("such path"))?;
        let first = captured.iter().next().map_or("", |(_, value)| value);
        first.parse().map(Key).map_err(|_| Problem::not_found(format!("object {first}")))
    }
}

/// The two captured parts of a path.
pub struct Keys<A, B>(pub A, pub B);

impl<S: Send + Sync, A: FromStr + Send, B: FromStr + Send> FromRequestParts<S> for Keys<A, B> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Keys<A, B>, Problem> {
        let captured = axum::extract::RawPathParams::from_request_parts(parts, state).await;
        let captured = captured.map_err(|_| Problem::not_found("such path"))?;
        let texts: Vec<&str> = captured.iter().map(|(_, value)| value).collect();
        let gone = || Problem::not_found(format!("object {}", texts.join("/")));
        let first = texts.first().and_then(|text| text.parse().ok()).ok_or_else(gone)?;
        let second = texts.get(1).and_then(|text| text.parse().ok()).ok_or_else(gone)?;
        Ok(Keys(first, second))
    }
}

/// Tells a field that is null (`Some(None)`) from one that is absent (`None`, by `serde(default)`).
pub fn given<'de, T: serde::Deserialize<'de>, D: serde::Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

#[cfg(test)]
mod tests {
    use super::read_json;

    #[test]
    fn a_value_is_said_to_be_wrong_by_its_place_in_the_object_and_a_broken_text_by_its_line() {
        let wrong = read_json::<Vec<u8>>(b"[1,\n\"x\"]").expect_err("a text is no number");
        assert_eq!(
            (wrong.errors[0].pointer.as_str(), wrong.detail.contains("line")),
            ("/1", false),
            "{}",
            wrong.detail
        );
        assert_eq!(wrong.detail, "invalid type: string \"x\", expected a whole number from 0 to 255");
        let broken = read_json::<Vec<u8>>(b"[1,\n").expect_err("it ends too early");
        assert!(broken.detail.contains("line 2"), "{}", broken.detail);
    }
}
