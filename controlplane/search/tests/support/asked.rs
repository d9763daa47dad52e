//! What a search asks for, by the documents of Elasticsearch's Query DSL, as far as it is used; a word that is not known is a mistake.

use serde_json::{Map, Value, json};

/// Whether a value may stand in a field.
pub fn is_of_type(field: &Value, value: &Value) -> bool {
    match field["type"].as_str() {
        Some("keyword") => value.is_string() || value.is_null(),
        Some("long") => value.is_i64(),
        Some("date") => field["format"] == "epoch_millis" && value.is_i64(),
        Some("boolean") => value.is_boolean(),
        Some("scaled_float") => value.is_null() || value.as_str().is_some_and(|text| text.parse::<f64>().is_ok()),
        _ => false,
    }
}

/// The only pair of an object.
fn only(of: &Value) -> Result<(&str, &Value), String> {
    let object: &Map<String, Value> = of.as_object().ok_or_else(|| format!("{of} is no object"))?;
    let mut pairs = object.iter();
    match (pairs.next(), pairs.next()) {
        (Some((name, value)), None) => Ok((name, value)),
        _ => Err(format!("{of} must say one thing")),
    }
}

/// Whether a document is what a query asks for.
pub fn fits(query: &Value, record: &Value, fields: &Value) -> Result<bool, String> {
    let (kind, inside) = only(query)?;
    if kind == "bool" {
        return of_many(inside, record, fields);
    }
    let (name, wanted) = only(inside)?;
    if fields[name].is_null() {
        return Err(format!("{name} is no field"));
    }
    let value = &record[name];
    match (kind, fields[name]["type"].as_str()) {
        ("term", Some("keyword")) if wanted.is_string() => Ok(value == wanted),
        ("term", Some("long")) if wanted.is_u64() => Ok(value == wanted),
        ("term", Some("boolean")) if wanted.is_boolean() => Ok(value == wanted),
        ("prefix", Some("keyword")) => {
            let wanted = wanted.as_str().ok_or("a prefix is text")?;
            Ok(value.as_str().is_some_and(|text| text.starts_with(wanted)))
        }
        ("wildcard", Some("keyword")) => {
            let (word, pattern) = only(wanted)?;
            let pattern = pattern.as_str().and_then(|pattern| pattern.strip_prefix('*')?.strip_suffix('*'));
            let inside = pattern.filter(|inside| word == "value" && !inside.contains(['*', '?', '\\']));
            let inside = inside.ok_or_else(|| format!("{wanted} is more than digits between stars"))?;
            Ok(value.as_str().is_some_and(|text| text.contains(inside)))
        }
        ("range", Some("long")) => {
            let bounds = wanted.as_object().ok_or("a range is an object")?;
            let value = value.as_i64().ok_or("a number")?;
            let within = |(word, bound): (&String, &Value)| match (word.as_str(), bound.as_i64()) {
                ("gte", Some(bound)) => Ok(value >= bound),
                ("gt", Some(bound)) => Ok(value > bound),
                ("lt", Some(bound)) => Ok(value < bound),
                _ => Err(format!("{word} {bound}")),
            };
            bounds.iter().map(within).try_fold(true, |all, one| Ok(all & one?))
        }
        _ => Err(format!("{query} on {}", fields[name])),
    }
}

fn of_many(inside: &Value, record: &Value, fields: &Value) -> Result<bool, String> {
    let all = |list: &Value| -> Result<Vec<bool>, String> {
        let list = list.as_array().ok_or("a list of queries")?;
        list.iter().map(|query| fits(query, record, fields)).collect()
    };
    if inside["should"].is_null() {
        let (word, list) = only(inside)?;
        return if word == "filter" { Ok(all(list)?.into_iter().all(|one| one)) } else { Err(word.to_owned()) };
    }
    if inside.as_object().is_none_or(|words| words.len() != 2) || inside["minimum_should_match"] != 1 {
        return Err(inside.to_string());
    }
    Ok(all(&inside["should"])?.into_iter().any(|one| one))
}

/// The page of the hits that a search asks for, in its order.
pub fn page(body: &Value, mut found: Vec<Value>) -> Result<Vec<Value>, String> {
    let sort = json!([
        { "started_us": { "order": "desc", "unmapped_type": "long" } },
        { "id": { "order": "desc", "unmapped_type": "keyword" } },
    ]);
    let words = ["size", "track_total_hits", "_source", "query", "sort", "search_after"];
    if let Some(word) = body.as_object().into_iter().flat_map(Map::keys).find(|word| !words.contains(&word.as_str())) {
        return Err(word.clone());
    }
    if body["sort"] != sort || body["_source"] != json!(["started_us"]) || body["track_total_hits"] != false {
        return Err(body.to_string());
    }
    let place = |hit: &Value| (hit["sort"][0].as_i64(), hit["sort"][1].as_str().map(str::to_owned));
    if let Some(after) = body["search_after"].as_array() {
        let after = (after[0].as_i64(), after[1].as_str().map(str::to_owned));
        found.retain(|hit| place(hit) < after);
    }
    found.sort_by_key(|hit| std::cmp::Reverse(place(hit)));
    // Elasticsearch's index.max_result_window.
    let size = body["size"].as_u64().filter(|size| *size <= 10_000).ok_or("a size")?;
    found.truncate(usize::try_from(size).map_err(|error| error.to_string())?);
    Ok(found)
}
