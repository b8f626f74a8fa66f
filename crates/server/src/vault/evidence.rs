//! Evidence: taking objects in, collections, openings, giving objects out, key packages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use custodia_api::limits::{MAX_KEY_PACKAGES, MAX_OBJECTS};
use custodia_api::messages::{
    ClaimedKeyPackages, Collect, ExhibitRow, ExhibitStateText, KeyPackageCount, Objects, Released, UploadKeyPackages,
};
use custodia_core::custody::body::Body;
use custodia_core::custody::facts::ExhibitState;
use custodia_core::custody::intent::{SignedIntent, UnverifiedIntent};
use custodia_core::custody::kind::Kind;
use custodia_core::custody::receipt::Receipt;
use custodia_core::custody::wire::Base64;
use custodia_core::digest::{Blake3Digest, Sha256Digest};
use custodia_core::identity::Standing;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::secret::Secret32;
use custodia_core::time::LogTime;
use custodia_failpoint::fail_point;
use custodia_mls::{MlsError, VerifiedKeyPackage};
use futures::{StreamExt as _, TryStreamExt as _};

use super::Vault;
use crate::auth::Caller;
use crate::error::Refusal;
use crate::nonces::Nonce;
use crate::objects::{Named, ObjectError};
use crate::sequencer::facts::{parse_handling, parse_state};
use crate::sequencer::{Act, Attachment, Intake};
use crate::shares;
use crate::store::exhibits::Exhibit;
use crate::store::{StoreError, devices, exhibits, log};

/// A part of an object, in bytes: from the first up to, not including, the second.
pub(crate) type Range = core::ops::Range<u64>;

/// Questions to the object store that wait for their answer at one time.
const QUESTIONS: usize = 8;

/// What a member may know of an exhibit.
pub(super) fn exhibit_row(exhibit: Exhibit) -> Result<ExhibitRow, StoreError> {
    Ok(ExhibitRow {
        exhibit: exhibit.id,
        state: match parse_state(&exhibit.state)? {
            ExhibitState::Quarantined => ExhibitStateText::Quarantined,
            ExhibitState::Active => ExhibitStateText::Active,
            ExhibitState::Restricted => ExhibitStateText::Restricted,
            ExhibitState::Erased => ExhibitStateText::Erased,
        },
        held: exhibit.held,
        handling: parse_handling(&exhibit.handling)?,
        index: exhibit.index,
        ring_version: exhibit.ring_version,
        group_share: Base64(exhibit.group_share),
        sealed_bytes: exhibit.sealed_bytes,
    })
}

impl Vault {
    /// Takes an object in: the exhibit's id is reserved for this device and case, the bytes are compared with the name, stored, and noted.
    pub async fn put_object(
        &self,
        caller: &Caller,
        case: CaseId,
        exhibit: ExhibitId,
        name: Blake3Digest,
        bytes: Bytes,
    ) -> Result<(), Refusal> {
        let size = u64::try_from(bytes.len()).map_err(|_| Refusal::TooLarge("the object"))?;
        let object = Named::check(name, bytes)?;
        self.require_member(caller, case).await?;
        let wanted = exhibits::Intake { case, device: caller.device() };
        // Of all objects of an exhibit only the first has something to write here.
        let mut conn = self.store.read().await?;
        let collected = exhibits::exhibit(&mut conn, exhibit).await?.is_some();
        let known = exhibits::intake(&mut conn, exhibit).await?;
        drop(conn);
        let reserved = match known {
            Some(reserved) => reserved,
            None => self.reserve(exhibit, wanted).await?,
        };
        if reserved != wanted {
            return Err(Refusal::Conflict("this exhibit's id is reserved for another device or case"));
        }
        if collected {
            return Err(Refusal::Conflict("this exhibit was collected; nothing is added to it"));
        }
        fail_point!("server.object.reserved");
        self.objects.put(exhibit, object).await?;
        fail_point!("server.object.stored");
        let mut write = self.store.write().await?;
        exhibits::insert_object(write.conn(), exhibit, name, size).await?;
        write.commit().await?;
        fail_point!("server.object.noted");
        Ok(())
    }

    /// Reserves an exhibit's id, if it is free; answers for whom it is reserved.
    async fn reserve(&self, exhibit: ExhibitId, wanted: exhibits::Intake) -> Result<exhibits::Intake, Refusal> {
        let mut write = self.store.write().await?;
        let reserved = exhibits::reserve(write.conn(), exhibit, wanted).await?;
        write.commit().await?;
        Ok(reserved)
    }

    /// The objects that are stored for an exhibit that the caller takes in, or that belongs to a case of the caller's.
    pub async fn stored_objects(&self, caller: &Caller, case: CaseId, exhibit: ExhibitId) -> Result<Objects, Refusal> {
        self.require_member(caller, case).await?;
        let mut conn = self.store.read().await?;
        let objects = match exhibits::intake(&mut conn, exhibit).await? {
            None => Vec::new(),
            Some(intake) if intake.case == case => exhibits::objects(&mut conn, exhibit).await?,
            Some(_) => return Err(Refusal::NotFound("exhibit")),
        };
        Ok(Objects { objects: objects.into_iter().map(|(name, _)| name).collect() })
    }

    /// Enters a collection.
    pub async fn collect(
        &self,
        caller: &Caller,
        nonce: Arc<Nonce>,
        case: CaseId,
        exhibit: ExhibitId,
        request: Collect,
    ) -> Result<Receipt, Refusal> {
        let intent = Self::intent_of(caller, &request.intent, case)?;
        if intent.exhibit != Some(exhibit) {
            return Err(Refusal::Malformed("the intent names another exhibit than the path".to_owned()));
        }
        if request.objects.len() > MAX_OBJECTS {
            return Err(Refusal::TooLarge("the list of objects"));
        }
        let share: [u8; 32] =
            request.release_share.0.try_into().map_err(|_| Refusal::Malformed("a release share is 32 bytes".to_owned()))?;
        if request.group_share.0.len() != custodia_core::exhibit::wrap::WRAPPED_LEN {
            return Err(Refusal::Malformed("a wrapped group share is 104 bytes".to_owned()));
        }
        self.require_stored(&intent, exhibit, &request.objects).await?;
        let intake = Intake { objects: request.objects, release_share: Secret32::from_bytes(share), group_share: request.group_share.0 };
        let mut acts = vec![Act { intent, attachment: Attachment::Intake(intake) }];
        if let Some(text) = &request.source {
            acts.push(Act { intent: source_of(caller, text, &acts[0].intent)?, attachment: Attachment::Source });
        }
        self.enter(Some(nonce), acts).await?.into_iter().next().ok_or(Refusal::Internal("an act has no receipt"))
    }

    /// Asks the store for every object of a collection before it is entered. What the store acknowledged and no longer has is forgotten here,
    /// so that it counts as missing and can be uploaded again.
    async fn require_stored(&self, intent: &SignedIntent, exhibit: ExhibitId, names: &[Blake3Digest]) -> Result<(), Refusal> {
        let mut conn = self.store.read().await?;
        if exhibits::exhibit(&mut conn, exhibit).await?.is_some() {
            return Ok(());
        }
        let rows = exhibits::objects(&mut conn, exhibit).await?;
        drop(conn);
        let manifest = match &intent.body {
            Body::Collection(body) => Some(body.manifest_object),
            _ => None,
        };
        let wanted: BTreeSet<Blake3Digest> = names.iter().copied().chain(manifest).collect();
        let asked = rows.into_iter().filter(|(name, _)| wanted.contains(name)).map(async |(name, size)| {
            match self.objects.size(exhibit, name).await {
                Ok(held) if held == size => Ok(None),
                Ok(_) | Err(ObjectError::Missing) => Ok(Some(name)),
                Err(error) => Err(Refusal::from(error)),
            }
        });
        let answers: Vec<Option<Blake3Digest>> = futures::stream::iter(asked).buffer_unordered(QUESTIONS).try_collect().await?;
        let lost: Vec<Blake3Digest> = answers.into_iter().flatten().collect();
        if lost.is_empty() {
            return Ok(());
        }
        let mut write = self.store.write().await?;
        for name in &lost {
            tracing::error!(exhibit.id = %exhibit, object.name = %name, "the object store lost an object that it had acknowledged");
            exhibits::forget_object(write.conn(), exhibit, *name).await?;
        }
        write.commit().await?;
        Err(Refusal::ObjectsMissing { missing: lost.len() })
    }

    /// Answers an opening that stands in the log: the release share and the names of the objects.
    pub async fn release(&self, intent: &SignedIntent, receipt: Receipt) -> Result<Released, Refusal> {
        let id = intent.exhibit.ok_or(Refusal::Internal("an opening names no exhibit"))?;
        let mut conn = self.store.read().await?;
        let exhibit = exhibits::openable(&mut conn, id).await?.ok_or(Refusal::NotFound("exhibit"))?;
        drop(conn);
        let wrapped = exhibit.share.as_ref().ok_or(Refusal::NotFound("exhibit"))?;
        let share = shares::unwrap(&self.keks, id, wrapped, exhibit.share_commitment)?;
        let (manifest_object, objects) = (exhibit.manifest_object, exhibit.names);
        fail_point!("server.share.released");
        Ok(Released { receipt, release_share: Base64(share.expose().to_vec()), manifest_object, objects })
    }

    /// Gives an object out to a device whose opening of the exhibit stands in the log; a whole object is compared with its name.
    pub async fn get_object(
        &self,
        caller: &Caller,
        case: CaseId,
        exhibit: ExhibitId,
        name: Blake3Digest,
        range: Option<Range>,
    ) -> Result<(Bytes, u64), Refusal> {
        self.require_member(caller, case).await?;
        let mut conn = self.store.read().await?;
        let row = exhibits::exhibit(&mut conn, exhibit).await?;
        let there = row.is_some_and(|row| row.case == case && row.state != "erased");
        let may =
            there && log::has_opened(&mut conn, exhibit, caller.id()).await? && exhibits::has_object(&mut conn, exhibit, name).await?;
        drop(conn);
        if !may {
            return Err(Refusal::NotFound("object of an exhibit that this device has opened"));
        }
        let size = self.objects.size(exhibit, name).await?;
        let room = self.downloads.room_for(range.as_ref().map_or(size, |range| range.end.saturating_sub(range.start))).await?;
        let bytes = match range {
            None => self.objects.get_into(exhibit, name, room.buffer()).await?,
            Some(range) => self.objects.get_range(exhibit, name, range).await?.into(),
        };
        Ok((room.hold(bytes), size))
    }

    /// Deletes what is left in the store of exhibits that were erased. What cannot be deleted now is reported, and tried again by the next call.
    pub async fn delete_erased_objects(&self) {
        let left = async {
            let mut conn = self.store.read().await?;
            exhibits::erased_with_objects(&mut conn).await
        };
        match left.await {
            Ok(left) => {
                for exhibit in left {
                    if let Err(refusal) = self.delete_objects(exhibit).await {
                        tracing::error!(exhibit.id = %exhibit, error = %refusal, "an erased exhibit's objects are not all deleted yet");
                    }
                }
            }
            Err(error) => tracing::error!(error = %error, "erased exhibits' objects are not deleted yet"),
        }
    }

    async fn delete_objects(&self, exhibit: ExhibitId) -> Result<(), Refusal> {
        let mut conn = self.store.read().await?;
        let objects = exhibits::objects(&mut conn, exhibit).await?;
        drop(conn);
        for (name, _) in objects {
            self.objects.delete(exhibit, name).await?;
            let mut write = self.store.write().await?;
            exhibits::forget_object(write.conn(), exhibit, name).await?;
            write.commit().await?;
        }
        Ok(())
    }

    /// Takes key packages of the caller's own.
    pub async fn upload_key_packages(&self, caller: &Caller, request: UploadKeyPackages) -> Result<KeyPackageCount, Refusal> {
        if request.one_time.len() > MAX_KEY_PACKAGES {
            return Err(Refusal::TooLarge("the list of key packages"));
        }
        let now = self.clock.now();
        let check = |bytes: &[u8], last_resort: bool| {
            let package = VerifiedKeyPackage::parse(bytes, now).map_err(|error| match error {
                MlsError::TooLarge { .. } => Refusal::TooLarge("a key package"),
                other => Refusal::Malformed(other.to_string()),
            })?;
            let facts = package.facts();
            let own =
                Sha256Digest::of(&[&facts.certificate]) == caller.id() && facts.signature_key == caller.certificate().key().to_bytes();
            if own && facts.last_resort == last_resort {
                Ok(facts.reference.clone())
            } else {
                Err(Refusal::Malformed("a key package is another device's, or of the other use".to_owned()))
            }
        };
        let one_time: Vec<_> = request.one_time.iter().map(|package| check(&package.0, false)).collect::<Result<_, _>>()?;
        let last_resort = request.last_resort.as_ref().map(|package| check(&package.0, true)).transpose()?;
        let mut write = self.store.write().await?;
        for earlier in caller.other_certificates() {
            devices::forget_key_packages(write.conn(), earlier).await?;
        }
        let held = devices::count_key_packages(write.conn(), caller.id()).await?;
        if held as usize + one_time.len() > 10 * MAX_KEY_PACKAGES {
            return Err(Refusal::TooMany("this device has a thousand key packages here"));
        }
        for (reference, package) in one_time.iter().zip(&request.one_time) {
            devices::add_key_package(write.conn(), caller.id(), reference, &package.0).await?;
        }
        if let (Some(reference), Some(package)) = (&last_resort, &request.last_resort) {
            devices::set_last_resort(write.conn(), caller.id(), reference, &package.0).await?;
        }
        let one_time = devices::count_key_packages(write.conn(), caller.id()).await?;
        write.commit().await?;
        fail_point!("server.key_packages.stored");
        Ok(KeyPackageCount { one_time })
    }

    /// How many one-time key packages of the caller's are left.
    pub async fn count_key_packages(&self, caller: &Caller) -> Result<KeyPackageCount, Refusal> {
        let mut conn = self.store.read().await?;
        Ok(KeyPackageCount { one_time: devices::count_key_packages(&mut conn, caller.id()).await? })
    }

    /// Takes one key package of each device named; all or none. What is no longer timely is thrown away.
    pub async fn claim_key_packages(&self, wanted: &[Sha256Digest]) -> Result<ClaimedKeyPackages, Refusal> {
        if wanted.len() > MAX_KEY_PACKAGES || wanted.iter().collect::<BTreeSet<_>>().len() != wanted.len() {
            return Err(Refusal::Malformed("a claim names at most 100 devices, each once".to_owned()));
        }
        let now = self.clock.now();
        let claimed = self.claim_timely(wanted, now).await;
        if matches!(claimed, Err(Refusal::NotFound(_))) {
            // Nothing was taken. What grew too old goes all the same, so that its device learns that it must bring new ones.
            let mut write = self.store.write().await?;
            for &device in wanted {
                discard_old(write.conn(), device, now).await?;
            }
            write.commit().await?;
        }
        claimed
    }

    async fn claim_timely(&self, wanted: &[Sha256Digest], now: LogTime) -> Result<ClaimedKeyPackages, Refusal> {
        let mut write = self.store.write().await?;
        let mirror = self.registry.refreshed(write.conn()).await?;
        // In one order, so that two claims never wait for each other.
        let mut packages: BTreeMap<Sha256Digest, Vec<u8>> = wanted.iter().map(|device| (*device, Vec::new())).collect();
        for (&device, package) in &mut packages {
            if mirror.standing(device, now) != Standing::Good {
                return Err(Refusal::NotFound("device in good standing"));
            }
            *package = timely(write.conn(), device, now).await?;
        }
        write.commit().await?;
        fail_point!("server.key_packages.claimed");
        Ok(ClaimedKeyPackages { packages: wanted.iter().filter_map(|device| packages.remove(device)).map(Base64).collect() })
    }
}

/// Throws away the one-time key packages of a device that are no longer timely.
async fn discard_old(conn: &mut crate::store::Conn, device: Sha256Digest, now: LogTime) -> Result<(), Refusal> {
    let mut timely = Vec::new();
    for _ in 0..=10 * MAX_KEY_PACKAGES {
        match devices::take_key_package(conn, device).await? {
            Some(package) if !package.last_resort => {
                if let Ok(verified) = VerifiedKeyPackage::parse(&package.bytes, now) {
                    timely.push((verified.facts().reference.clone(), package.bytes));
                }
            }
            _ => break,
        }
    }
    for (reference, bytes) in timely {
        devices::add_key_package(conn, device, &reference, &bytes).await?;
    }
    Ok(())
}

/// The record of a derivation on the source's chain, which may be of another case.
fn source_of(caller: &Caller, text: &str, collection: &SignedIntent) -> Result<SignedIntent, Refusal> {
    let case = UnverifiedIntent::parse(text).map_err(|error| Refusal::Malformed(error.to_string()))?.unverified().case;
    let intent = Vault::intent_of(caller, text, case)?;
    let derived = matches!(&collection.body, Body::Collection(body) if body.derivation.is_some());
    if derived && intent.kind() == Kind::Combination {
        Ok(intent)
    } else {
        Err(Refusal::Malformed("a combination goes with the collection of an exhibit that was made from another".to_owned()))
    }
}

async fn timely(conn: &mut crate::store::Conn, device: Sha256Digest, now: LogTime) -> Result<Vec<u8>, Refusal> {
    // At most as many as a device may store, and the last-resort one.
    for _ in 0..=10 * MAX_KEY_PACKAGES {
        let package = devices::take_key_package(conn, device).await?.ok_or(Refusal::NotFound("key package of that device"))?;
        match VerifiedKeyPackage::parse(&package.bytes, now) {
            Ok(_) => return Ok(package.bytes),
            Err(_) if package.last_resort => break,
            Err(_) => {}
        }
    }
    Err(Refusal::NotFound("key package of that device that is not too old"))
}
