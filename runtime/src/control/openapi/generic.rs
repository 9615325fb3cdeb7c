//! Documents that are made of another: each is named after what it is made of, since a name stands
//! for one schema.

use std::borrow::Cow;

use utoipa::openapi::schema::{AllOfBuilder, ArrayBuilder, Object, Ref, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::super::answer::Items;
use super::super::functions::WithUrl;
use super::sketch::{Named, text};

impl<T: ToSchema> PartialSchema for Items<T> {
    fn schema() -> RefOr<Schema> {
        let one = Ref::from_schema_name(T::name());
        let cursor = SchemaType::Array(vec![Type::String, Type::Null]);
        let cursor = Object::builder().schema_type(cursor);
        Object::builder()
            .property("items", ArrayBuilder::new().items(one))
            .property(
                "next_cursor",
                cursor.description(Some("`null`: this is all.")),
            )
            .required("items")
            .required("next_cursor")
            .into()
    }
}

impl<T: ToSchema> ToSchema for Items<T> {
    fn name() -> Cow<'static, str> {
        format!("{}List", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<Named>) {
        made_of::<T>(schemas);
    }
}

impl<T: ToSchema> PartialSchema for WithUrl<T> {
    fn schema() -> RefOr<Schema> {
        let url = Object::builder().property("url", text()).required("url");
        let whole = AllOfBuilder::new()
            .item(Ref::from_schema_name(T::name()))
            .item(url);
        RefOr::T(whole.build().into())
    }
}

impl<T: ToSchema> ToSchema for WithUrl<T> {
    fn name() -> Cow<'static, str> {
        format!("{}WithUrl", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<Named>) {
        made_of::<T>(schemas);
    }
}

fn made_of<T: ToSchema>(schemas: &mut Vec<Named>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}
