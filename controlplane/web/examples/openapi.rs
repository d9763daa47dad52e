//! Prints the OpenAPI document: `cargo run -p web --example openapi > controlplane/web/openapi.json`.

fn main() {
    print!("{}", web::openapi_text());
}
