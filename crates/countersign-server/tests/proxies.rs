//! `GET /verify` behind a real nginx and a real Caddy, configured as docs/how-to/reverse-proxies.md says.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "the actors of tests: a panic is how they fail"
)]

#[path = "proxies/backend.rs"]
mod backend;
#[expect(dead_code, reason = "the crash tests use the rest of it")]
#[path = "crash/program.rs"]
mod program;
#[path = "proxies/proxy.rs"]
mod proxy;

use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use backend::{Backend, Received};
use program::Program;
use proxy::{Kind, Proxy};

const PASSWORD: &str = "correct horse battery";

/// The service, the proxy in front of an application, and somebody who is signed in.
struct Scene {
    countersign: Program,
    proxy: Proxy,
    application: Backend,
    http: Client,
    user_id: String,
    token: String,
    _folder: tempfile::TempDir,
}

impl Scene {
    /// `None`: this proxy is not installed here.
    async fn with(kind: Kind) -> Option<Self> {
        let binary = proxy::binary(kind)?;
        let folder = tempfile::tempdir().unwrap();
        let countersign = Program::start(folder.path());
        let application = Backend::start();
        let proxy = Proxy::start(kind, &binary, &countersign.base(), &application.address);
        let http = Client::new();
        let form = json!({"username": "Ada", "password": PASSWORD});
        let post = |path: &str| http.post(format!("{}{path}", countersign.base())).json(&form).send();
        let user: Value = post("/users").await.unwrap().json().await.unwrap();
        let tokens: Value = post("/authenticate").await.unwrap().json().await.unwrap();
        let user_id = user["id"].as_str().expect("signed up").to_owned();
        let token = tokens["access_token"].as_str().expect("signed in").to_owned();
        Some(Self { countersign, proxy, application, http, user_id, token, _folder: folder })
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("http://{}{path}", self.proxy.address))
    }

    /// What the application has received since it was last asked.
    fn received(&self) -> Vec<Received> {
        self.application.received()
    }

    fn is_turned_away(&self, answer: &Response, status: u16) {
        assert_eq!(answer.status(), status, "{answer:?}");
        assert!(self.received().is_empty(), "the application was asked");
    }

    /// The application was asked once, and heard of Ada alone.
    fn is_let_through(&self, answer: &Response) -> Received {
        assert_eq!(answer.status(), 200, "{answer:?}");
        let mut received = self.received();
        assert_eq!(received.len(), 1);
        let one = received.remove(0);
        assert_eq!(
            one.identity(),
            [("x-auth-user-id", &*self.user_id), ("x-auth-username", "Ada")],
            "{one:?}"
        );
        one
    }
}

/// What a client makes up to be somebody else, or to have the proxy ask about another request.
const MADE_UP: [(&str, &[u8]); 14] = [
    ("X-Auth-User-Id", b"1"),
    ("X-AUTH-USER-ID", b"2"),
    ("x-auth-username", b"root"),
    ("X-Auth-Username", b"admin"),
    ("X_Auth_User_Id", b"1"),
    ("X_AUTH_USERNAME", b"root"),
    ("x_auth_username", b"admin"),
    ("X-Forwarded-Uri", b"/public/%zz\xff"),
    ("X-Forwarded-Method", b"OPTIONS"),
    ("X-Forwarded-Host", b"\xfe:99999"),
    ("X-Forwarded-For", b"127.0.0.1, \xff"),
    ("X-Original-URL", b"http://[::1"),
    ("X-Original-Method", b"\x80"),
    ("Remote-User", b"root"),
];

fn made_up(request: RequestBuilder) -> RequestBuilder {
    MADE_UP.into_iter().fold(request, |request, (name, value)| request.header(name, value))
}

async fn send(request: RequestBuilder) -> Response {
    request.send().await.unwrap()
}

// SEC-76
async fn a_good_token_is_let_through_as_its_user_whatever_the_client_makes_up(scene: &Scene) {
    for request in [scene.get("/page?x=1"), made_up(scene.get("/page?x=1"))] {
        let received = scene.is_let_through(&send(request.bearer_auth(&scene.token)).await);
        assert!(received.line.starts_with("GET /page?x=1 HTTP/1."), "{received:?}");
    }
}

// SEC-76
async fn anything_else_is_401_and_the_application_hears_nothing_of_it(scene: &Scene) {
    for request in [scene.get("/"), made_up(scene.get("/"))] {
        let answer = send(request).await;
        scene.is_turned_away(&answer, 401);
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
    }
    for token in ["a.b.c", "", &format!("{}x", scene.token)] {
        scene.is_turned_away(&send(made_up(scene.get("/").bearer_auth(token))).await, 401);
    }
    let basic = scene.get("/").basic_auth("Ada", Some(PASSWORD));
    scene.is_turned_away(&send(basic).await, 401);
    let in_query = scene.get(&format!("/?access_token={}", scene.token));
    scene.is_turned_away(&send(in_query).await, 401);
}

async fn a_body_of_any_size_reaches_the_application_and_not_the_question(scene: &Scene) {
    let body = vec![b'x'; 200_000];
    let post = scene.http.post(format!("http://{}/upload", scene.proxy.address));
    let answer = send(post.bearer_auth(&scene.token).body(body.clone())).await;
    assert_eq!(scene.is_let_through(&answer).body, body);
    let post = scene.http.post(format!("http://{}/upload", scene.proxy.address));
    scene.is_turned_away(&send(post.body(body)).await, 401);
}

// SEC-38, SEC-76
async fn signing_out_acts_at_once_and_a_service_that_is_away_lets_nobody_through(scene: Scene) {
    let all = format!("{}/refresh/all", scene.countersign.base());
    let out = send(scene.http.delete(all).bearer_auth(&scene.token)).await;
    assert_eq!(out.status(), 204);
    scene.is_turned_away(&send(scene.get("/").bearer_auth(&scene.token)).await, 401);
    let Scene { countersign, proxy, application, http, token, .. } = scene;
    countersign.kill();
    let request = made_up(http.get(format!("http://{}/", proxy.address)).bearer_auth(&token));
    let answer = send(request).await;
    assert!(answer.status().is_server_error(), "{answer:?}");
    assert!(application.received().is_empty(), "the application was asked");
}

async fn the_whole_page_holds_for(kind: Kind) {
    let Some(scene) = Scene::with(kind).await else { return };
    a_good_token_is_let_through_as_its_user_whatever_the_client_makes_up(&scene).await;
    anything_else_is_401_and_the_application_hears_nothing_of_it(&scene).await;
    a_body_of_any_size_reaches_the_application_and_not_the_question(&scene).await;
    signing_out_acts_at_once_and_a_service_that_is_away_lets_nobody_through(scene).await;
}

#[tokio::test]
async fn nginx_lets_through_whom_verify_names_and_nobody_else() {
    the_whole_page_holds_for(Kind::Nginx).await;
}

#[tokio::test]
async fn caddy_lets_through_whom_verify_names_and_nobody_else() {
    the_whole_page_holds_for(Kind::Caddy).await;
}
