//! What an issuer says of itself (OpenID Connect Discovery 1.0 §4), judged before anything in it is used.

use serde::Deserialize;
use url::Url;

use super::address::Reach;
use super::fault::{Lie, ProviderFault, Refusal};

/// An issuer's own description, as far as a sign-in needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Discovered {
    pub issuer: IssuerRule,
    pub authorization_endpoint: Url,
    pub token_endpoint: Url,
    pub jwks_uri: Url,
    pub userinfo_endpoint: Option<Url>,
    pub client_authentication: ClientAuthentication,
    /// Whether every answer in the browser names its issuer (RFC 9207 §3).
    pub answers_name_issuer: bool,
}

/// Which `iss` an ID token must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IssuerRule {
    /// This one, byte for byte.
    Exact(String),
    /// That of a tenant: this text with the token's `tid` in the place of `{tenantid}`, as Microsoft Entra has it for
    /// those who take people of any tenant.
    OfTenant(String),
}

/// How the token endpoint hears who we are (RFC 6749 §2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientAuthentication {
    /// In the header `Authorization`.
    Basic,
    /// In the form.
    Post,
}

/// Unknown members are nobody's business; a known one that comes twice is refused by the parser.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Where an issuer describes itself (OpenID Connect Discovery 1.0 §4.1).
pub(super) fn discovery_url(issuer: &str, reach: Reach) -> Result<Url, Lie> {
    reach
        .endpoint(&format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer)))
}

impl Discovered {
    /// Judges an issuer's description of itself.
    ///
    /// # Errors
    /// [`Lie::DiscoveredIssuer`] where it is not the configured issuer's, byte for byte (SEC-92); [`Lie::Endpoint`]
    /// where an endpoint is none that may be used; [`Refusal`] where it can't be worked with.
    pub(super) fn parse(body: &[u8], configured: &str, reach: Reach) -> Result<Self, ProviderFault> {
        let document: Document = super::client::parse(body)?;
        let issuer = IssuerRule::of(configured, document.issuer).ok_or(Lie::DiscoveredIssuer)?;
        // Who doesn't say which methods of PKCE there are may know S256; who says that there are others does not.
        if document.code_challenge_methods_supported.is_some_and(|known| !known.iter().any(|it| it == "S256"))
        {
            return Err(Refusal::NoPkce.into());
        }
        Ok(Self {
            issuer,
            authorization_endpoint: reach.endpoint(&document.authorization_endpoint)?,
            token_endpoint: reach.endpoint(&document.token_endpoint)?,
            jwks_uri: reach.endpoint(&document.jwks_uri)?,
            userinfo_endpoint: document.userinfo_endpoint.map(|url| reach.endpoint(&url)).transpose()?,
            client_authentication: client_authentication(document.token_endpoint_auth_methods_supported)?,
            answers_name_issuer: document.authorization_response_iss_parameter_supported,
        })
    }
}

/// What is left out is `client_secret_basic` (OpenID Connect Discovery 1.0 §3).
fn client_authentication(known: Option<Vec<String>>) -> Result<ClientAuthentication, Refusal> {
    let Some(known) = known else { return Ok(ClientAuthentication::Basic) };
    let knows = |method: &str| known.iter().any(|it| it == method);
    if knows("client_secret_basic") {
        Ok(ClientAuthentication::Basic)
    } else if knows("client_secret_post") {
        Ok(ClientAuthentication::Post)
    } else {
        Err(Refusal::NoClientAuthentication)
    }
}

const TENANT: &str = "{tenantid}";

impl IssuerRule {
    /// What the configured issuer and the one that discovery names make together; `None` where they are not the same.
    ///
    /// The one exception from the same bytes is Entra's: under `/common/`, `/organizations/` and `/consumers/` it names
    /// `{tenantid}` at that very place, and nothing else may differ.
    fn of(configured: &str, discovered: String) -> Option<Self> {
        if configured == discovered {
            return Some(Self::Exact(discovered));
        }
        let (before, after) = discovered.split_once(TENANT)?;
        let word = configured.strip_prefix(before)?.strip_suffix(after)?;
        let is_entra = before.ends_with('/')
            && before.matches('/').count() == 3
            && after == "/v2.0"
            && matches!(word, "common" | "organizations" | "consumers");
        is_entra.then_some(Self::OfTenant(discovered))
    }

    /// Whether a token of this `iss` and `tid` is of this issuer.
    pub(super) fn is(&self, iss: &str, tid: Option<&str>) -> bool {
        match self {
            Self::Exact(issuer) => iss == issuer,
            Self::OfTenant(template) => {
                tid.is_some_and(|tid| is_uuid(tid) && iss == template.replacen(TENANT, tid, 1))
            }
        }
    }
}

impl IssuerRule {
    /// Whether a key that may sign for `key_issuer` alone may sign for `iss`. Where tenants share keys, some are one
    /// tenant's own.
    pub(super) fn allows_key_of(&self, key_issuer: Option<&str>, iss: &str) -> bool {
        match (self, key_issuer) {
            (Self::Exact(_), _) | (_, None) => true,
            (Self::OfTenant(template), Some(issuer)) => issuer == template || issuer == iss,
        }
    }

    /// Whether an answer in the browser may name this issuer: of a tenant, any at first.
    pub(super) fn could_be(&self, iss: &str) -> bool {
        match self {
            Self::Exact(issuer) => iss == issuer,
            Self::OfTenant(template) => {
                let (before, after) = template.split_once(TENANT).unwrap_or((template, ""));
                let tid = iss.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                self.is(iss, tid)
            }
        }
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::settings::Url;

    const ISSUER: &str = "https://idp.example.com/realms/a";

    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://idp.example.com/authorize",
            "token_endpoint": "https://idp.example.com/token",
            "jwks_uri": "https://keys.example.com/jwks",
            "userinfo_endpoint": "https://idp.example.com/userinfo",
        })
    }

    fn parse(document: &Value, configured: &str) -> Result<Discovered, ProviderFault> {
        let reach = Reach::of(&Url::parse(configured).unwrap(), false);
        Discovered::parse(document.to_string().as_bytes(), configured, reach)
    }

    // SEC-92
    #[test]
    fn discovery_names_the_configured_issuer_byte_for_byte() {
        assert!(parse(&document(), ISSUER).is_ok());
        for other in [
            "https://idp.example.com/realms/a/",
            "https://idp.example.com/realms/A",
            "https://IDP.example.com/realms/a",
            "https://idp.example.com:443/realms/a",
            "https://idp.example.com/realms/b",
            "https://idp.example.com/realms/{tenantid}",
            "",
        ] {
            let mut lying = document();
            lying["issuer"] = other.into();
            assert_eq!(parse(&lying, ISSUER), Err(Lie::DiscoveredIssuer.into()), "{other}");
        }
    }

    // SEC-91
    #[test]
    fn a_tenant_is_resolved_from_the_token_and_from_nothing_else() {
        let tenant = "https://login.example.com/{tenantid}/v2.0";
        let mut entra = document();
        entra["issuer"] = tenant.into();
        let rule = |configured: &str| parse(&entra, configured).map(|found| found.issuer);
        for word in ["common", "organizations", "consumers"] {
            let configured = format!("https://login.example.com/{word}/v2.0");
            assert_eq!(rule(&configured), Ok(IssuerRule::OfTenant(tenant.to_owned())));
        }
        for configured in [
            "https://login.example.com/contoso/v2.0",
            "https://login.example.com/common/v1.0",
            "https://login.example.com/common/",
            "https://login.example.com/a/common/v2.0",
            "https://other.example.com/common/v2.0",
        ] {
            assert_eq!(rule(configured), Err(Lie::DiscoveredIssuer.into()), "{configured}");
        }
        let of_tenant = IssuerRule::OfTenant(tenant.to_owned());
        let tid = "9188040d-6c67-4c5b-b112-36a304b66dad";
        let iss = format!("https://login.example.com/{tid}/v2.0");
        assert!(of_tenant.is(&iss, Some(tid)));
        assert!(!of_tenant.is(&iss, None));
        assert!(!of_tenant.is(&iss, Some("9188040d-6c67-4c5b-b112-36a304b66dae")));
        assert!(of_tenant.could_be(&iss) && !of_tenant.could_be(tenant) && !of_tenant.could_be(""));
        assert!(of_tenant.allows_key_of(Some(tenant), &iss) && of_tenant.allows_key_of(Some(&iss), &iss));
        assert!(!of_tenant.allows_key_of(Some("https://login.example.com/other/v2.0"), &iss));
        assert!(!of_tenant.is(tenant, Some(TENANT)));
        assert!(!of_tenant.is("https://login.example.com/common/v2.0", Some("common")));
        assert!(!of_tenant.is("https://login.example.com/x/../v2.0", Some("x/..")));
    }

    #[test]
    fn how_the_secret_travels_follows_what_the_issuer_takes() {
        let method = |given: Value| {
            let mut document = document();
            document["token_endpoint_auth_methods_supported"] = given;
            parse(&document, ISSUER).map(|found| found.client_authentication)
        };
        assert_eq!(method(Value::Null), Ok(ClientAuthentication::Basic));
        assert_eq!(
            method(json!(["client_secret_post", "client_secret_basic"])),
            Ok(ClientAuthentication::Basic)
        );
        assert_eq!(method(json!(["private_key_jwt", "client_secret_post"])), Ok(ClientAuthentication::Post));
        assert_eq!(method(json!(["private_key_jwt"])), Err(Refusal::NoClientAuthentication.into()));
        let mut plain = document();
        plain["code_challenge_methods_supported"] = json!(["plain"]);
        assert_eq!(parse(&plain, ISSUER), Err(Refusal::NoPkce.into()));
    }

    // SEC-92
    #[test]
    fn every_endpoint_of_discovery_is_judged() {
        for endpoint in ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"] {
            for url in ["http://idp.example.com/x", "http://127.0.0.1/x", "file:///etc/passwd", "x"] {
                let mut lying = document();
                lying[endpoint] = url.into();
                assert_eq!(parse(&lying, ISSUER), Err(Lie::Endpoint.into()), "{endpoint} {url}");
            }
            let mut missing = document();
            missing.as_object_mut().unwrap().remove(endpoint);
            let expected = if endpoint == "userinfo_endpoint" { None } else { Some(Lie::Malformed.into()) };
            assert_eq!(parse(&missing, ISSUER).err(), expected, "{endpoint}");
        }
        let twice =
            document().to_string().replacen('{', "{\"issuer\":\"https://idp.example.com/realms/a\",", 1);
        let reach = Reach::of(&Url::parse(ISSUER).unwrap(), false);
        assert_eq!(Discovered::parse(twice.as_bytes(), ISSUER, reach), Err(Lie::Malformed.into()));
    }
}
