//! The ranges of whole numbers in the document: what derives it calls every number of up to 32 bits `int32`, also those without a sign.

use utoipa::Number;
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, KnownFormat, Object, SchemaFormat};
use utoipa::openapi::{OpenApi, RefOr, Schema};

/// Says of each number that may not be below zero how large it may be, where its own attributes do not.
pub(crate) fn say(document: &mut OpenApi) {
    let components = document.components.iter_mut().flat_map(|components| components.schemas.values_mut());
    components.for_each(within);
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        let parameters =
            operations.into_iter().flatten().filter_map(|operation| operation.parameters.as_mut()).flatten();
        parameters.filter_map(|parameter| parameter.schema.as_mut()).for_each(within);
    }
}

fn within(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => of(object),
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                within(items);
            }
        }
        Schema::OneOf(either) => either.items.iter_mut().for_each(within),
        Schema::AllOf(all) => all.items.iter_mut().for_each(within),
        Schema::AnyOf(any) => any.items.iter_mut().for_each(within),
        _ => {}
    }
}

fn of(object: &mut Object) {
    object.properties.values_mut().for_each(within);
    if let Some(AdditionalProperties::RefOr(each)) = object.additional_properties.as_deref_mut() {
        within(each);
    }
    let narrow = matches!(object.format, Some(SchemaFormat::KnownFormat(KnownFormat::Int32)));
    if narrow && object.minimum.is_some() && object.maximum.is_none() {
        object.format = Some(SchemaFormat::KnownFormat(KnownFormat::Int64));
        object.maximum = Some(Number::UInt(u32::MAX as usize));
    }
}
