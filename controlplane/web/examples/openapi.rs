//! Prints the OpenAPI document: `cargo run -p web --example openapi > controlplane/web/openapi.json`.

fn main() {
    println!("{}", web::openapi_text());
}
