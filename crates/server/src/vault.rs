//! The engine under the HTTP handlers: everything that they call, and nothing that knows HTTP.

mod evidence;
mod keeping;
mod memory;
mod reading;

use std::sync::Arc;

use custodia_api::messages::ServerInfo;
use custodia_core::custody::intent::{SignedIntent, UnverifiedIntent};
use custodia_core::custody::kind::Concern;
use custodia_core::custody::receipt::Receipt;
use custodia_core::custody::rules;
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::TrustPin;
use custodia_core::ids::CaseId;
use custodia_core::log::checkpoint::LogSigner;
use custodia_core::log::policy::Policy;
use custodia_core::time::LogTime;
use tokio::sync::Mutex;

pub(crate) use evidence::Range;
use memory::Memory;
pub(crate) use reading::{Shown, receipt_of};

use crate::auth::Caller;
use crate::clock::Clock;
use crate::collector::Contradicted;
use crate::config::{LimitsConfig, Problem, ServerConfig};
use crate::error::{Refusal, StartError};
use crate::head_file::HeadFile;
use crate::keys::{self, Keks};
use crate::nonces::{Nonce, NonceCache, UnderWay};
use crate::objects::Objects;
use crate::registry::SharedRegistry;
use crate::sequencer::facts::Roots;
use crate::sequencer::{Act, Attachment, Entered, Known, Sequencer, Stands, Waiting};
use crate::store::{Store, cases, log};

/// The engine.
pub(crate) struct Vault {
    pub store: Store,
    pub objects: Objects,
    pub signer: LogSigner,
    pub keks: Keks,
    pub registry: SharedRegistry,
    pub head_file: Mutex<HeadFile>,
    pub clock: Arc<dyn Clock>,
    pub limits: LimitsConfig,
    pub nonces: NonceCache,
    pub under_way: UnderWay,
    pub roots: Roots,
    pub known: Arc<Known>,
    /// Memory for objects that are being taken in, and given out.
    pub uploads: Memory,
    pub downloads: Memory,
    /// Whether witnesses contradict what the database holds.
    pub contradicted: Contradicted,
    /// Whose cosignatures are kept.
    pub policy: Option<Policy>,
    trust_pin: Sha256Digest,
    sequencer: Sequencer,
}

impl Vault {
    /// Opens everything that the configuration names and compares the log with the head file.
    ///
    /// A log that is behind its head file still starts: reading goes on, appending does not, and the diagnostics say why.
    pub async fn open(config: &ServerConfig, clock: Arc<dyn Clock>) -> Result<(Arc<Self>, Waiting), StartError> {
        let signer = keys::read_log_key(&config.data.log_key, &config.origin)?;
        let keks = Keks::open(&config.kek.folders)?;
        let head_file =
            HeadFile::open(&config.data.head_file, &config.origin).map_err(StartError::io("read the head file", &config.data.head_file))?;
        let store = Store::open(&config.database_url()).await?;
        let objects = Objects::open(&config.store)?;
        // SQLite serves one process alone, so nobody else stores objects here now.
        if config.sqlite_file().is_some()
            && let Err(error) = Objects::sweep(&config.store)
        {
            tracing::error!(%error, "what cut-off uploads left in the object store could not be taken away");
        }
        let own = signer.log_key();
        let policy = config.witnesses.as_ref().map(|witnesses| witnesses.read_policy(Some(&own)));
        let policy = policy.transpose().map_err(|message| StartError::Config(vec![Problem::of_policy(message)]))?;
        let (sequencer, waiting) = Sequencer::new();
        let vault = Arc::new(Self {
            store,
            objects,
            signer,
            keks,
            registry: SharedRegistry::new(TrustPin::new(config.trust_pin)),
            head_file: Mutex::new(head_file),
            clock,
            limits: config.limits,
            nonces: NonceCache::default(),
            under_way: UnderWay::default(),
            roots: Roots::default(),
            known: Arc::default(),
            uploads: Memory::new(config.limits.upload_mib),
            downloads: Memory::new(config.limits.download_mib),
            contradicted: Contradicted::default(),
            policy,
            trust_pin: config.trust_pin,
            sequencer,
        });
        if let Err(stop) = crate::sequencer::turn::compare_at_start(&vault).await {
            tracing::error!(reason = %stop, "the server starts, but appends nothing");
        }
        let mut conn = vault.store.read().await?;
        vault.registry.refreshed(&mut conn).await?;
        drop(conn);
        Ok((vault, waiting))
    }

    /// Which log this is.
    pub fn info(&self) -> ServerInfo {
        ServerInfo {
            origin: self.signer.origin().to_string(),
            log_key: self.signer.log_key().to_string(),
            trust_pin: self.trust_pin,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Reads an intent of the caller's and checks its signature under the certificate of the caller's device by which it was signed.
    ///
    /// # Errors
    /// Another form, another signer than the caller's device, a signature that does not verify: nothing of it is entered.
    pub fn intent_of(caller: &Caller, text: &str, case: CaseId) -> Result<SignedIntent, Refusal> {
        let intent = UnverifiedIntent::parse(text).map_err(|error| Refusal::Malformed(error.to_string()))?;
        let Some(certificate) = caller.own_certificate(intent.signer()) else {
            return Err(Refusal::NotAuthenticated("the intent is signed by another device than the request".to_owned()));
        };
        if intent.unverified().case != case {
            return Err(Refusal::Malformed("the intent names another case than the path".to_owned()));
        }
        if intent.unverified().kind().concern() == Concern::Registry {
            return Err(Refusal::Malformed("acts of the registry have a path of their own".to_owned()));
        }
        intent.verify(certificate.key()).map_err(|error| Refusal::NotAuthenticated(error.to_string()))
    }

    /// Enters the act that a device out of good standing sends, if it is a genuine one, as refused; answers why, with the receipt.
    pub async fn enter_attempt(&self, caller: &Caller, body: &[u8], refusal: Refusal) -> Refusal {
        #[derive(serde::Deserialize)]
        struct Attempt {
            intent: String,
        }
        let (Refusal::NotInGoodStanding { standing, .. }, Ok(Attempt { intent })) = (&refusal, serde_json::from_slice(body)) else {
            return refusal;
        };
        let Ok(unverified) = UnverifiedIntent::parse(&intent) else { return refusal };
        let Ok(intent) = Self::intent_of(caller, &intent, unverified.unverified().case) else { return refusal };
        match self.enter_one(None, Act { intent, attachment: Attachment::None }).await {
            Err(Refusal::Rule { receipt, .. }) => Refusal::NotInGoodStanding { standing, receipt },
            Err(other) => other,
            Ok(_) => refusal,
        }
    }

    /// Enters an identity act, signed by an office's root; the request itself is signed by nobody.
    pub async fn enter_registry(&self, text: &str) -> Result<Receipt, Refusal> {
        let intent = UnverifiedIntent::parse(text).map_err(|error| Refusal::Malformed(error.to_string()))?;
        if intent.unverified().kind().concern() != Concern::Registry {
            return Err(Refusal::Malformed("only acts of the registry are taken here".to_owned()));
        }
        let mut conn = self.store.read().await?;
        let mirror = self.registry.refreshed(&mut conn).await?;
        let intent = mirror.verify(intent)?;
        let is_known = log::earlier(&mut conn, intent.signer(), intent.id).await?.is_some();
        drop(conn);
        // What was entered finds its answer however late it is asked for again.
        if !is_known {
            self.agree_on_the_time(&intent)?;
        }
        self.enter_one(None, Act { intent, attachment: Attachment::None }).await
    }

    /// A request of a device tells this server when its own clock is wrong; of an office there is only the intent. Entered by a wrong clock, one
    /// identity act would move the log's time for ever, and with it every certificate's end.
    fn agree_on_the_time(&self, intent: &SignedIntent) -> Result<(), Refusal> {
        let now = self.clock.now();
        let late = i128::from(now.millis()) - intent.time.millis();
        if (-rules::NEWEST_OPENING_MILLIS..=rules::OLDEST_OPENING_MILLIS).contains(&late) {
            return Ok(());
        }
        let signed = u64::try_from(intent.time.millis()).ok().and_then(|millis| LogTime::from_millis(millis).ok());
        Err(Refusal::ClockSkew { signed: signed.unwrap_or(now), now })
    }

    /// Enters one act; answers its receipt.
    pub async fn enter_one(&self, nonce: Option<Arc<Nonce>>, act: Act) -> Result<Receipt, Refusal> {
        let mut receipts = self.enter(nonce, vec![act]).await?;
        receipts.pop().ok_or(Refusal::Internal("an act has no receipt"))
    }

    /// Enters acts together or not at all, and uses up the nonce of their request; answers their receipts in order.
    pub async fn enter(&self, nonce: Option<Arc<Nonce>>, acts: Vec<Act>) -> Result<Vec<Receipt>, Refusal> {
        let outcome = self.sequencer.enter(nonce, acts).await?;
        match outcome {
            Entered::Accepted(acts) => {
                let mut receipts = Vec::with_capacity(acts.len());
                for stands in acts {
                    receipts.push(match stands {
                        Stands::New(receipt) => *receipt,
                        Stands::Earlier(index) => {
                            let mut conn = self.store.read().await?;
                            reading::receipt(&mut conn, index, Shown::All).await?
                        }
                    });
                }
                Ok(receipts)
            }
            Entered::Refused { rule, demands, index } => {
                // Whoever is refused may not know the case: only the core part is shown.
                let mut conn = self.store.read().await?;
                let receipt = reading::receipt(&mut conn, index, Shown::Core).await?;
                Err(Refusal::Rule { rule, demands, receipt: Some(Box::new(receipt)) })
            }
        }
    }

    /// Refuses all but members of a case that have not left it.
    pub async fn require_member(&self, caller: &Caller, case: CaseId) -> Result<(), Refusal> {
        let mut conn = self.store.read().await?;
        let member = cases::member(&mut conn, case, caller.device()).await?;
        if member.is_some_and(|member| member.left.is_none()) { Ok(()) } else { Err(Refusal::NotFound("case")) }
    }
}
