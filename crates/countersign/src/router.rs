//! Every route on one page; the API's description comes from the same list.

use axum::Router;
use http::Method;
use tower::Layer as _;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::service::Countersign;
use crate::web::envelope::{Envelope, EnvelopeLayer, EnvelopeSettings};
use crate::{
    access, api_docs, authenticate, forward_auth, health, oauth, password_reset, profile, refresh, revoke,
    scrape, sessions, user, verify_email, web,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Countersign",
        description = "Sign up, trade the password once for tokens, verify, refresh, sign out.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "flow", description = "Sign up, sign in, refresh, sign out"),
        (name = "account", description = "One's own account"),
        (name = "operations", description = "For operators and programs")
    )
)]
struct Description;

fn routes() -> OpenApiRouter<Countersign> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(user::http::create_user))
        .routes(routes!(authenticate::http::authenticate))
        .routes(routes!(refresh::http::refresh, revoke::http::sign_out))
        .routes(routes!(revoke::http::sign_out_everywhere))
        .routes(routes!(profile::http::show_me, profile::http::change_me, profile::http::delete_me))
        .routes(routes!(sessions::http::list_sessions))
        .routes(routes!(sessions::http::end_session))
        .routes(routes!(forward_auth::http::verify))
        .routes(routes!(verify_email::http::request_email_verification))
        .routes(routes!(verify_email::http::show_email_verification, verify_email::http::verify_email))
        .routes(routes!(verify_email::http::show_email_verification_script))
        .routes(routes!(verify_email::http::show_email_verification_style))
        .routes(routes!(
            password_reset::http::show_password_reset,
            password_reset::http::request_password_reset
        ))
        .routes(routes!(password_reset::http::reset_password))
        .routes(routes!(password_reset::http::show_password_reset_script))
        .routes(routes!(password_reset::http::show_password_reset_style))
        .routes(routes!(health::show_liveness))
        .routes(routes!(health::show_readiness))
        .routes(routes!(scrape::show_metrics))
        .routes(routes!(api_docs::show_openapi))
        .routes(routes!(api_docs::show_docs))
        .routes(routes!(api_docs::show_docs_script))
        .routes(routes!(api_docs::show_docs_style))
        .routes(routes!(access::http::show_jwks))
        .routes(routes!(oauth::http::identities::list_identities))
        .routes(routes!(oauth::http::identities::link_identity, oauth::http::identities::remove_identity))
}

/// Where people go by themselves, and no script of another origin (SEC-61).
fn navigations() -> OpenApiRouter<Countersign> {
    OpenApiRouter::new()
        .routes(routes!(oauth::http::start_oauth))
        .routes(routes!(oauth::http::finish_oauth, oauth::http::hand_on_oauth))
}

fn all() -> OpenApiRouter<Countersign> {
    routes().merge(navigations())
}

/// The whole service as a router: mount it at the root of an application, or nest it below a path (and give that path
/// to `public_url`, which the cookie's path follows).
pub fn router(service: &Countersign) -> Router {
    bare(service).layer(envelope(service))
}

/// The whole service for a program that serves nothing else: as [`router`], with the envelope around it once instead of
/// around each route.
pub fn app(service: &Countersign) -> App {
    envelope(service).layer(bare(service))
}

/// What [`app`] makes: a `tower` service for hyper.
pub type App = Envelope<Router>;

fn envelope(service: &Countersign) -> EnvelopeLayer {
    let https = service.settings().public_url.scheme() == "https";
    let requests = &service.meters().requests;
    requests.know(operations(&all().split_for_parts().1));
    EnvelopeLayer::new(EnvelopeSettings { https, ..EnvelopeSettings::default() }, requests.clone())
}

/// Every route with its methods.
fn operations(description: &utoipa::openapi::OpenApi) -> impl Iterator<Item = (&str, Vec<Method>)> {
    description.paths.paths.iter().map(|(path, item)| {
        let methods = [
            (Method::GET, &item.get),
            (Method::POST, &item.post),
            (Method::PUT, &item.put),
            (Method::PATCH, &item.patch),
            (Method::DELETE, &item.delete),
        ];
        let methods = methods.into_iter().filter(|(_, operation)| operation.is_some());
        (path.as_str(), methods.map(|(method, _)| method).collect())
    })
}

fn bare(service: &Countersign) -> Router {
    let (routes, _) = routes().split_for_parts();
    let (navigations, _) = navigations().split_for_parts();
    let router = routes.fallback(web::not_found).method_not_allowed_fallback(web::method_not_allowed);
    let router = match web::cors(service.foreign_origins()) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router.merge(navigations.method_not_allowed_fallback(web::method_not_allowed)).with_state(service.clone())
}

/// The API's description: OpenAPI 3.1, as JSON.
#[must_use]
pub fn openapi() -> String {
    let (_, mut description) = all().split_for_parts();
    if let Some(components) = description.components.as_mut() {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        components.add_security_scheme("access_token", SecurityScheme::Http(bearer));
        let cookie = ApiKey::Cookie(ApiKeyValue::new("refresh_token"));
        components.add_security_scheme("refresh_cookie", SecurityScheme::ApiKey(cookie));
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("metrics_token", SecurityScheme::Http(bearer));
    }
    web::schema::describe_refusals(&mut description);
    description.to_pretty_json().unwrap_or_default()
}
