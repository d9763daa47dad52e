//! Where null means something in the document: what derives it allows null wherever a field may be left out.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::{OpenApi, RefOr, Schema};

/// Says of each change that a field is null only where it may be null in the object itself: elsewhere null is refused.
pub(crate) fn say(document: &mut OpenApi) {
    let Some(components) = &mut document.components else { return };
    let may: BTreeMap<String, BTreeSet<String>> =
        components.schemas.iter().map(|(name, schema)| (format!("{name}Patch"), nullable(schema))).collect();
    for (name, schema) in &mut components.schemas {
        let (Some(may), RefOr::T(Schema::Object(patch))) = (may.get(name), schema) else { continue };
        for (_, field) in patch.properties.iter_mut().filter(|(field, _)| !may.contains(*field)) {
            no_null(field);
        }
    }
}

/// The names of fields that may be null.
fn nullable(schema: &RefOr<Schema>) -> BTreeSet<String> {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            object.properties.iter().filter(|(_, field)| is_null(field)).map(|(name, _)| name.clone()).collect()
        }
        RefOr::T(Schema::AllOf(all)) => all.items.iter().flat_map(nullable).collect(),
        _ => BTreeSet::new(),
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    match schema {
        RefOr::T(Schema::Object(object)) => of_null(&object.schema_type),
        RefOr::T(Schema::Array(array)) => of_null(&array.schema_type),
        RefOr::T(Schema::OneOf(either)) => either.items.iter().any(is_null),
        _ => false,
    }
}

fn of_null(kind: &SchemaType) -> bool {
    match kind {
        SchemaType::Type(one) => *one == Type::Null,
        SchemaType::Array(many) => many.contains(&Type::Null),
        SchemaType::AnyValue => false,
    }
}

fn no_null(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => without_null(&mut object.schema_type),
        RefOr::T(Schema::Array(array)) => without_null(&mut array.schema_type),
        RefOr::T(Schema::OneOf(either)) => either.items.retain(|item| !is_null(item)),
        _ => {}
    }
}

fn without_null(kind: &mut SchemaType) {
    let SchemaType::Array(many) = kind else { return };
    many.retain(|one| *one != Type::Null);
    if let [one] = many.as_slice() {
        *kind = SchemaType::Type(one.clone());
    }
}
