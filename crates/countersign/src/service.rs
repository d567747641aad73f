//! The service: everything that requests share, opened once and passed as `&Countersign`.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use countersign_token::{HmacKey, Signer, Verifier};
use http::HeaderMap;

use crate::audit::{About, Entry, Event, Filed, Queue};
use crate::hashing::{HashLanes, LaneConfig};
use crate::identity_provider::IdentityProviders;
use crate::keys::{self, Mac, OAuthKey, OneTimeKey, RefreshKey};
use crate::mail::Mailer;
use crate::metrics::Meters;
use crate::password::{Params, Rules};
use crate::secret::{ExposeSecret as _, SecretString};
use crate::settings::{Database, Settings};
use crate::store::Store;
use crate::time::{Clock, Timestamp};
use crate::turnstile::Turnstile;
use crate::web::client_address::{TrustedProxies, client_address};
use crate::web::cookie::Cookie;
use crate::web::origin::{Origin, OriginPolicy};
use crate::web::proxy_watch::ProxyWatch;

/// The authentication service. Clones share everything.
#[derive(Clone)]
pub struct Countersign(Arc<Parts>);

struct Parts {
    settings: Settings,
    clock: Clock,
    meters: Meters,
    store: Store,
    mailer: Mailer,
    identity_providers: IdentityProviders,
    audit: Queue,
    lanes: HashLanes,
    rules: Rules,
    signer: Signer,
    verifier: Verifier,
    refresh_keys: Vec<RefreshKey>,
    refresh_cookie: Cookie,
    device_keys: Vec<Mac>,
    device_cookie: Cookie,
    oauth_keys: Vec<OAuthKey>,
    limit_key: Mac,
    turnstile: Arc<Turnstile>,
    new_limit_rows: AtomicU32,
    origins: OriginPolicy,
    foreign_origins: Vec<Origin>,
    proxies: TrustedProxies,
    proxy_watch: ProxyWatch,
}

/// Why the service could not be opened: sentences for the operator, with the mend.
#[derive(Debug)]
pub struct OpenError(String);

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

impl Countersign {
    /// Judges the settings, creates what is missing (data folder and secret key, where they are needed, and database),
    /// brings the schema up to date and starts what writes and hashes.
    ///
    /// # Errors
    /// Settings that contradict each other, files that can't be used, a database of another program.
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        Self::open_with_clock(settings, Clock::System).await
    }

    /// Like [`Countersign::open`], by another clock: for tests of applications that embed the service.
    ///
    /// # Errors
    /// As [`Countersign::open`].
    pub async fn open_with_clock(settings: Settings, clock: Clock) -> Result<Self, OpenError> {
        judge(&settings)?;
        if settings.keeps_files() {
            keys::make_data_dir(&settings.data_dir).map_err(OpenError)?;
        }
        let secret_keys = secret_keys(&settings)?;
        let store = match settings.database() {
            Database::Sqlite(file) => Store::open_sqlite(&file).map_err(|refusal| OpenError(refusal.0))?,
            Database::Postgres(url) => {
                let opened = Store::open_postgres(&url, settings.database_connections).await;
                opened.map_err(|refusal| OpenError(refusal.0))?
            }
        };
        let current_key =
            secret_keys.first().ok_or_else(|| OpenError("there is no secret key".to_owned()))?;
        // Several nodes judge by one clock, whatever their own ones say.
        let clock = match clock {
            Clock::System => store.clock().unwrap_or(Clock::System),
            given => given,
        };
        let lanes = lanes(&settings)?;
        let mut meters = Meters::new(clock.now());
        store.report(&mut meters);
        lanes.report(&mut meters);
        let access_keys = secret_keys.iter().map(access_key).collect::<Result<Vec<_>, _>>()?;
        let own_origin = Origin::parse(&settings.origin()).map_err(OpenError)?;
        let foreign_origins = foreign_origins(&settings)?;
        let one_time_keys = secret_keys.iter().map(OneTimeKey::derive).collect();
        let mailer =
            Mailer::new(&settings, one_time_keys, store.clone(), clock.clone(), meters.mails.clone());
        let parts = Parts {
            mailer: mailer.map_err(OpenError)?,
            identity_providers: IdentityProviders::new(&settings, &clock).map_err(OpenError)?,
            rules: rules(&settings),
            lanes,
            signer: signer(&settings, &access_keys)?,
            verifier: verifier(&settings, &access_keys)?,
            refresh_keys: secret_keys.iter().map(RefreshKey::derive).collect(),
            refresh_cookie: refresh_cookie(&settings)?,
            device_keys: secret_keys.iter().map(keys::device_key).collect(),
            device_cookie: device_cookie(&settings)?,
            oauth_keys: secret_keys.iter().map(OAuthKey::derive).collect(),
            limit_key: keys::limit_key(current_key),
            turnstile: Arc::default(),
            new_limit_rows: AtomicU32::new(0),
            origins: OriginPolicy::new(&own_origin, &foreign_origins),
            foreign_origins,
            proxies: proxies(&settings)?,
            proxy_watch: ProxyWatch::default(),
            audit: Queue::new(store.clone(), clock.clone()),
            settings,
            clock,
            meters,
            store,
        };
        Ok(Self(Arc::new(parts)))
    }

    /// Answers what is queued, ends the threads and closes the database. Requests that come later are refused.
    pub async fn shut_down(&self) {
        self.0.lanes.shut_down();
        self.0.audit.close().await;
        self.0.store.close();
    }

    /// The settings that the service was opened with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The version of the schema that the database was brought to.
    #[must_use]
    pub fn schema_version(&self) -> i64 {
        Store::schema_version()
    }

    /// Whether the database can be read and written.
    ///
    /// # Errors
    /// [`crate::error::Error::Unavailable`] while it can't.
    pub async fn ready(&self) -> crate::error::Result<()> {
        self.0.store.ping().await
    }

    /// The lanes in which passwords are hashed and verified.
    #[must_use]
    pub fn lanes(&self) -> &HashLanes {
        &self.0.lanes
    }

    /// Where the flow counts its outcomes.
    pub(crate) fn meters(&self) -> &Meters {
        &self.0.meters
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    /// What queues and sends mails.
    pub(crate) fn mailer(&self) -> &Mailer {
        &self.0.mailer
    }

    /// Who may vouch for people.
    pub(crate) fn identity_providers(&self) -> &IdentityProviders {
        &self.0.identity_providers
    }

    /// An event that happens now, for the transaction that brings it about: [`crate::store::Tx::file`] takes it.
    pub(crate) fn entry(&self, event: Event, about: About) -> Entry {
        Entry::new(event, about, self.now())
    }

    /// Tells of what a transaction has filed, once it has come to its end.
    pub(crate) fn tell(&self, filed: impl IntoIterator<Item = Filed>) {
        filed.into_iter().for_each(Filed::tell);
    }

    /// Tells of an event that changes nothing, such as a refusal. It waits for nobody and can't fail.
    pub(crate) fn record(&self, event: Event, about: About) {
        self.0.audit.record(self.entry(event, about));
    }

    /// Writes what [`Countersign::record`] took in and has not written yet.
    #[cfg(test)]
    pub(crate) async fn flush_audit(&self) {
        self.0.audit.flush().await;
    }

    #[cfg(test)]
    pub(crate) fn audit(&self) -> &Queue {
        &self.0.audit
    }

    /// The rules that new passwords are judged by.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.0.rules
    }

    pub(crate) fn signer(&self) -> &Signer {
        &self.0.signer
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    /// The keys of refresh tokens: the first makes them, all recognise them.
    pub(crate) fn refresh_keys(&self) -> &[RefreshKey] {
        &self.0.refresh_keys
    }

    pub(crate) fn refresh_cookie(&self) -> &Cookie {
        &self.0.refresh_cookie
    }

    /// The keys of device marks: the first makes them, all recognise them.
    pub(crate) fn device_keys(&self) -> &[Mac] {
        &self.0.device_keys
    }

    pub(crate) fn device_cookie(&self) -> &Cookie {
        &self.0.device_cookie
    }

    /// The keys of OAuth attempts: the first makes their states, all recognise them.
    pub(crate) fn oauth_keys(&self) -> &[OAuthKey] {
        &self.0.oauth_keys
    }

    /// What names and addresses are hashed with before they are counted.
    pub(crate) fn limit_key(&self) -> &Mac {
        &self.0.limit_key
    }

    /// The guesses under way on this node.
    pub(crate) fn turnstile(&self) -> &Arc<Turnstile> {
        &self.0.turnstile
    }

    /// Adds to the count of new rows of limits; `true` once for each `of` of them.
    pub(crate) fn new_limit_rows(&self, rows: u32, of: u32) -> bool {
        let before = self.0.new_limit_rows.fetch_add(rows, Ordering::Relaxed);
        before.checked_div(of) != before.wrapping_add(rows).checked_div(of)
    }

    pub(crate) fn origins(&self) -> &OriginPolicy {
        &self.0.origins
    }

    /// The other origins whose pages may call.
    pub(crate) fn foreign_origins(&self) -> &[Origin] {
        &self.0.foreign_origins
    }

    /// Where a request comes from, believing none but the trusted proxies.
    pub(crate) fn client_address(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Option<IpAddr> {
        if let Some(address) = self.0.proxy_watch.suspect(headers, peer, &self.0.proxies, self.now()) {
            tracing::warn!(
                %address,
                "every request comes from this private address and is forwarded for somebody else: if it is your \
                 reverse proxy, name it in trusted_proxies; until then all people share the limits of one address"
            );
        }
        client_address(headers, peer, &self.0.proxies)
    }
}

fn judge(settings: &Settings) -> Result<(), OpenError> {
    let problems = settings.problems();
    if problems.is_empty() {
        return Ok(());
    }
    let sentences: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Err(OpenError(sentences.join("\n")))
}

/// The secret key that signs, then those that only recognise.
fn secret_keys(settings: &Settings) -> Result<Vec<SecretString>, OpenError> {
    let current = match &settings.secret_key {
        Some(key) => key.clone(),
        None => keys::generated_secret_key(&settings.data_dir).map_err(OpenError)?,
    };
    Ok(std::iter::once(current).chain(settings.secret_key_fallbacks.iter().cloned()).collect())
}

fn access_key(secret_key: &SecretString) -> Result<HmacKey, OpenError> {
    HmacKey::new(secret_key.expose_secret().as_bytes()).map_err(|refusal| OpenError(refusal.to_string()))
}

fn signer(settings: &Settings, keys: &[HmacKey]) -> Result<Signer, OpenError> {
    let key = keys.first().ok_or_else(|| OpenError("there is no secret key".to_owned()))?;
    Ok(Signer::new(key.clone(), settings.issuer(), settings.audience.as_deref()))
}

/// It takes the minimal tokens of other programs too that share the secret key.
fn verifier(settings: &Settings, keys: &[HmacKey]) -> Result<Verifier, OpenError> {
    let keys = keys.iter().cloned().map(Into::into);
    let mut verifier = Verifier::builder().keys(keys).issuer(settings.issuer()).accept_minimal(true);
    if let Some(audience) = &settings.audience {
        verifier = verifier.audience(audience);
    }
    verifier.build().map_err(|refusal| OpenError(refusal.to_string()))
}

fn refresh_cookie(settings: &Settings) -> Result<Cookie, OpenError> {
    Cookie::new(&settings.cookie_name, &settings.refresh_path(), settings.cookie_secure).map_err(OpenError)
}

/// Its name is the contract's; only the refresh cookie's can be chosen.
fn device_cookie(settings: &Settings) -> Result<Cookie, OpenError> {
    Cookie::new("device", &settings.device_path(), settings.cookie_secure).map_err(OpenError)
}

fn foreign_origins(settings: &Settings) -> Result<Vec<Origin>, OpenError> {
    settings.cors_allowed_origins.iter().map(|origin| Origin::parse(origin).map_err(OpenError)).collect()
}

fn proxies(settings: &Settings) -> Result<TrustedProxies, OpenError> {
    TrustedProxies::parse(settings.trusted_proxies.iter().map(ToString::to_string)).map_err(OpenError)
}

fn rules(settings: &Settings) -> Rules {
    let on = settings.password_rules;
    Rules {
        min_length: settings.password_min_length,
        length: on.length,
        common: on.common,
        numeric: on.numeric,
        similarity: on.similarity,
    }
}

fn lanes(settings: &Settings) -> Result<HashLanes, OpenError> {
    let cost = settings.argon2;
    let params =
        Params { memory_kib: cost.memory_kib, iterations: cost.iterations, parallelism: cost.parallelism };
    let started = HashLanes::start(LaneConfig { params, ..LaneConfig::default() });
    started.map_err(|fault| OpenError(format!("can't start the hash lanes: {fault:?}")))
}
