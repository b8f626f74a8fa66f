//! The agent: one device, its state, and the server that it is bound to.

use std::sync::Arc;

use custodia_api::messages::{KeyPackageCount, ServerInfo, UploadKeyPackages};
use custodia_core::custody::wire::Base64;
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{
    Certificate, CertificateId, DeviceLabel, DeviceRequest, DeviceRequestDraft, Registry, Role, ShownName, Standing, TrustPin,
};
use custodia_core::ids::{CaseId, DeviceId, PersonId};
use custodia_core::log::LogKey;
use custodia_core::secret::Secret32;
use custodia_core::time::LogTime;
use custodia_failpoint::fail_point;
use custodia_mls::{BuiltKeyPackage, Device, DeviceSigner, KeyPackageUse};
use ed25519_dalek::SigningKey;
use tokio::sync::{Mutex, MutexGuard};

use crate::clear_folder;
use crate::clock::{Clock, random, random_secret};
use crate::durable_file;
use crate::error::AgentError;
use crate::hpke::SealingKeyPair;
use crate::http::{Http, RequestKey, ServerAddress};
use crate::log_view::LogView;
use crate::passphrase::{Cost, KeyFile, MAX_KEY_FILE_BYTES};
use crate::registry::RegistryView;
use crate::state::{self, State, StatePaths, device, head, keys};

/// How many one-time key packages the server should hold for this device.
const KEY_PACKAGES: u32 = 20;

/// Who a new device is to act for.
#[derive(Debug, Clone)]
pub struct NewDevice {
    /// The person.
    pub person: PersonId,
    /// Their name as it is to be shown.
    pub name: ShownName,
    /// What the person calls the device.
    pub label: DeviceLabel,
    /// What the device is to do.
    pub role: Role,
    /// How much work one guess of the passphrase costs.
    pub cost: Cost,
}

/// The device's own keys.
pub(crate) struct OwnDevice {
    pub(crate) id: DeviceId,
    pub(crate) key: SigningKey,
    pub(crate) sealing: Secret32,
    pub(crate) request: String,
    pub(crate) certificate: Option<Vec<u8>>,
}

/// What this device believes of the server's log and registry.
#[derive(Debug)]
pub(crate) struct Believed {
    pub(crate) log: LogView,
    pub(crate) registry: RegistryView,
}

/// The server to which the device is bound.
pub(crate) struct Link {
    pub(crate) http: Http,
    pub(crate) origin: String,
    pub(crate) believed: Mutex<Believed>,
}

/// One device at work. All methods that talk to the server may be called at once; group operations wait for each other.
pub struct Agent {
    pub(crate) state: Arc<State>,
    pub(crate) clock: Clock,
    pub(crate) device: OwnDevice,
    pub(crate) link: Option<Link>,
    /// One group operation at a time.
    pub(crate) group_turn: Mutex<()>,
}

impl core::fmt::Debug for Agent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Agent").field("device", &self.device.id).finish_non_exhaustive()
    }
}

impl Agent {
    /// Makes a new device: its keys, its request for a certificate, its encrypted state.
    ///
    /// # Errors
    /// A state exists there already, or the file system refuses; then nothing usable is left behind.
    pub async fn create(paths: &StatePaths, passphrase: &str, new: NewDevice, clock: Clock) -> Result<Self, AgentError> {
        let id = DeviceId::from_bytes(random());
        let signing_key = random_secret();
        let sealing_seed = random_secret();
        let key = SigningKey::from_bytes(signing_key.expose());
        let draft = DeviceRequestDraft {
            device: id,
            person: new.person,
            name: new.name,
            label: new.label,
            role: new.role,
            sealing_key: Some(SealingKeyPair::from_private(sealing_seed.clone()).public().clone()),
            time: clock.claimed(),
        };
        let request = draft.sign(&key)?.text().to_owned();
        if paths.database().exists() {
            return Err(state::StateError::Exists(paths.folder().to_owned()).into());
        }
        let (key_file, state_key) = KeyFile::create(passphrase, new.cost)?;
        let row = device::DeviceRow { id, signing_key, sealing_seed, request, certificate: None };
        let state = State::create(paths, &state_key, &key_file.to_json(), &row).await?;
        Ok(Self::assemble(state, clock, row))
    }

    /// Opens the device's state.
    ///
    /// # Errors
    /// No state there, a wrong passphrase, a state in use or copied, a stored checkpoint that is not of the log.
    pub async fn open(paths: &StatePaths, passphrase: &str, clock: Clock) -> Result<Self, AgentError> {
        if !paths.database().exists() {
            return Err(state::StateError::Absent(paths.folder().to_owned()).into());
        }
        let io = |source| state::StateError::Io { path: paths.key_file(), source };
        let key_file = durable_file::read(&paths.key_file(), MAX_KEY_FILE_BYTES).map_err(io)?;
        let state_key = KeyFile::parse(&key_file)?.unlock(passphrase)?;
        let state = State::open(paths, &state_key).await?;
        clear_folder::sweep(&state).await?;
        let row = device::load(&mut *state.connection().await).await?;
        let server = device::server(&mut *state.connection().await).await?;
        let mut agent = Self::assemble(state, clock, row);
        if let Some(server) = server {
            agent.link = Some(agent.restore_link(&server).await?);
        }
        Ok(agent)
    }

    fn assemble(state: State, clock: Clock, row: device::DeviceRow) -> Self {
        let device = OwnDevice {
            id: row.id,
            key: SigningKey::from_bytes(row.signing_key.expose()),
            sealing: row.sealing_seed,
            request: row.request,
            certificate: row.certificate,
        };
        Self { state: Arc::new(state), clock, device, link: None, group_turn: Mutex::new(()) }
    }

    /// Rebuilds what this device believed when it last ran, by checking every stored record again.
    async fn restore_link(&self, server: &device::ServerRow) -> Result<Link, AgentError> {
        let address = ServerAddress { url: server.url.clone(), tls_roots: server.tls_roots.clone() };
        let http = self.sign_requests(Http::new(&address, self.clock.clone())?.evidence_in(&self.state));
        let key: LogKey = server.log_key.parse().map_err(|_| state::StateError::Damaged("log key"))?;
        let mut connection = self.state.connection().await;
        let checkpoint = head::checkpoint(&mut connection).await?;
        let log = LogView::new(key, checkpoint.as_deref())?;
        let mut registry = RegistryView::new(TrustPin::new(server.trust_pin));
        for view in head::records(&mut connection, CaseId::REGISTRY).await? {
            registry.take(&view)?;
        }
        Ok(Link { http, origin: server.origin.clone(), believed: Mutex::new(Believed { log, registry }) })
    }

    fn sign_requests(&self, http: Http) -> Http {
        match &self.device.certificate {
            None => http,
            Some(der) => http.signed_by(RequestKey { certificate: Sha256Digest::of(&[der]), key: self.device.key.clone() }),
        }
    }

    /// Ends the work and closes the state; an exhibit that is still open keeps it until it is dropped.
    ///
    /// # Errors
    /// What the state refuses.
    pub async fn close(self) -> Result<(), AgentError> {
        match Arc::into_inner(self.state) {
            Some(state) => Ok(state.close().await?),
            // A request under way is just keeping evidence in it; the last one out closes it.
            None => Ok(()),
        }
    }

    /// The device's request for a certificate, which the office issues one for.
    ///
    /// # Errors
    /// The stored request is damaged.
    pub fn device_request(&self) -> Result<DeviceRequest, AgentError> {
        Ok(DeviceRequest::parse(&self.device.request)?)
    }

    /// The device's id.
    pub fn device_id(&self) -> DeviceId {
        self.device.id
    }

    /// The device's certificate id, once it has one.
    ///
    /// # Errors
    /// [`AgentError::NotEnrolled`].
    pub fn certificate_id(&self) -> Result<Sha256Digest, AgentError> {
        self.device.certificate.as_ref().map(|der| Sha256Digest::of(&[der])).ok_or(AgentError::NotEnrolled)
    }

    /// Asks the server at an address which log it runs, so that a person can compare it with what the office gave out.
    ///
    /// # Errors
    /// The address cannot be used, or nobody answers there.
    pub async fn ask_server(&self, address: &ServerAddress) -> Result<ServerInfo, AgentError> {
        Ok(Http::new(address, self.clock.clone())?.get("/v1/server").await?)
    }

    /// Binds the device to a server, its log and its first trust list; `expected` is what the office gave out by another way.
    ///
    /// A bound device can be told a new address; the log and the trust list stay what they are for ever.
    ///
    /// # Errors
    /// [`AgentError::OtherServer`] if the server shows another log, key or trust list.
    pub async fn bind(&mut self, address: &ServerAddress, expected: &ServerInfo) -> Result<(), AgentError> {
        let shown = self.ask_server(address).await?;
        let row = device::ServerRow {
            url: address.url.clone(),
            origin: shown.origin.clone(),
            log_key: shown.log_key.clone(),
            trust_pin: shown.trust_pin,
            tls_roots: address.tls_roots.clone(),
        };
        same_server(expected, &shown)?;
        let key: LogKey = shown.log_key.parse().map_err(|_| AgentError::OtherServer("kind of log key"))?;
        if key.origin().as_str() != shown.origin {
            return Err(AgentError::OtherServer("log key"));
        }
        let mut connection = self.state.connection().await;
        match device::server(&mut connection).await? {
            None => device::bind_server(&mut connection, &row).await?,
            Some(known) => {
                let known_info =
                    ServerInfo { origin: known.origin, log_key: known.log_key, trust_pin: known.trust_pin, version: String::new() };
                same_server(&known_info, &shown)?;
                device::move_server(&mut connection, &row.url, &row.tls_roots).await?;
            }
        }
        drop(connection);
        fail_point!("agent.server.bound");
        self.link = Some(self.restore_link(&row).await?);
        Ok(())
    }

    /// Signs requests under a certificate from now on.
    pub(crate) fn take_certificate(&mut self, der: Vec<u8>) {
        self.device.certificate = Some(der);
        if let Some(link) = self.link.take() {
            self.link = Some(Link { http: self.sign_requests(link.http), ..link });
        }
    }

    /// The server that the device is bound to.
    pub(crate) fn link(&self) -> Result<&Link, AgentError> {
        self.link.as_ref().ok_or(AgentError::NotBound)
    }

    pub(crate) async fn believed(&self) -> Result<MutexGuard<'_, Believed>, AgentError> {
        Ok(self.link()?.believed.lock().await)
    }

    /// Now, as the log counts time.
    pub(crate) fn now(&self) -> LogTime {
        LogTime::from_millis(self.clock.millis()).expect("a clock shows a year of four digits")
    }

    /// The registry as this device has replayed it.
    ///
    /// # Errors
    /// [`AgentError::NotBound`].
    pub async fn registry(&self) -> Result<Registry, AgentError> {
        Ok(self.believed().await?.registry.registry().clone())
    }

    /// The devices in good standing by what this device knows; for choosing whom to add.
    ///
    /// # Errors
    /// [`AgentError::NotBound`].
    pub async fn devices(&self) -> Result<Vec<Certificate>, AgentError> {
        let believed = self.believed().await?;
        let at = believed.registry.as_of(self.now());
        Ok(at.map(|at| believed.registry.registry().devices(at).cloned().collect()).unwrap_or_default())
    }

    /// The device's own certificate, if the registry knows it and it is in good standing.
    ///
    /// # Errors
    /// [`AgentError::NotEnrolled`], [`AgentError::OwnStanding`], [`AgentError::OutOfValidity`].
    pub async fn own_certificate(&self) -> Result<Certificate, AgentError> {
        let id = CertificateId::from_digest(self.certificate_id()?);
        let believed = self.believed().await?;
        let registry = believed.registry.registry();
        let standing = believed.registry.as_of(self.now()).map_or(Standing::Unknown, |at| registry.standing(id, at));
        match registry.certificate(id) {
            Some(certificate) if standing == Standing::Good => Ok(certificate.clone()),
            Some(_) if matches!(standing, Standing::Expired | Standing::NotYetValid) => {
                Err(AgentError::OutOfValidity { clock: self.now() })
            }
            _ => Err(AgentError::OwnStanding(standing)),
        }
    }

    /// The device as MLS sees it.
    pub(crate) fn mls_device(&self) -> Result<Device, AgentError> {
        let certificate = self.device.certificate.clone().ok_or(AgentError::NotEnrolled)?;
        Ok(Device { certificate, signer: DeviceSigner::new(self.device.key.clone()) })
    }

    /// Sees to it that the server holds enough one-time key packages of this device, and a last-resort one.
    ///
    /// Private keys are durable before a key package leaves, so that nobody is welcomed by one that this device cannot use.
    ///
    /// # Errors
    /// What the state or the server refuses.
    pub async fn publish_key_packages(&self) -> Result<(), AgentError> {
        let http = &self.link()?.http;
        let held: KeyPackageCount = http.get("/v1/key-packages/count").await?;
        if held.one_time >= KEY_PACKAGES / 2 {
            return Ok(());
        }
        let upload = {
            let _turn = self.group_turn.lock().await;
            let device = self.mls_device()?;
            let mut connection = self.state.connection().await;
            let mut transaction = state::begin(&mut connection).await?;
            let mut mls = keys::load_mls(&mut transaction, None).await?;
            let now = self.clock.seconds();
            let build = |kind| BuiltKeyPackage::build(&mls, &device, kind, now).map(|package| Base64(package.bytes));
            let one_time = (held.one_time..KEY_PACKAGES).map(|_| build(KeyPackageUse::Once)).collect::<Result<_, _>>()?;
            let last_resort = Some(build(KeyPackageUse::LastResort)?);
            keys::write_mls(&mut transaction, &mls.take_changes()).await?;
            transaction.commit().await.map_err(state::StateError::from)?;
            fail_point!("agent.key_packages.kept");
            UploadKeyPackages { one_time, last_resort }
        };
        let _: serde_json::Value = http.post("/v1/key-packages", &upload).await?;
        Ok(())
    }

    /// Evidence against the server that this device keeps, oldest first.
    ///
    /// # Errors
    /// What the state refuses.
    pub async fn evidence(&self) -> Result<Vec<head::Evidence>, AgentError> {
        Ok(head::evidence(&mut *self.state.connection().await).await?)
    }
}

pub(crate) fn same_server(expected: &ServerInfo, shown: &ServerInfo) -> Result<(), AgentError> {
    let demand = |holds: bool, what| if holds { Ok(()) } else { Err(AgentError::OtherServer(what)) };
    demand(expected.origin == shown.origin, "log")?;
    demand(expected.log_key == shown.log_key, "log key")?;
    demand(expected.trust_pin == shown.trust_pin, "trust list")
}
