//! MLS messages as bytes: limits first, then exactly one message, of the kind that is expected.

use custodia_core::group::context::CommitContext;
use custodia_core::group::facts::{Epoch, GroupId};
use custodia_core::group::rules::{Broken, GroupRule, MAX_MESSAGE_LEN};
use openmls::prelude::{ContentType, MlsMessageBodyIn, MlsMessageIn, MlsMessageOut, PublicMessageIn, Sender};
use tls_codec::{Deserialize, VLBytes};

use crate::MlsError;

/// Decodes one `MLSMessage` of at most `limit` bytes, with nothing after it. Nothing in it is verified.
pub(crate) fn decode(bytes: &[u8], what: &'static str, limit: usize) -> Result<MlsMessageBodyIn, MlsError> {
    if bytes.len() > limit {
        return Err(MlsError::TooLarge { what, len: bytes.len(), limit });
    }
    let message: MlsMessageIn = exactly(bytes).ok_or(MlsError::Malformed(what))?;
    Ok(message.extract())
}

/// Decodes one value with nothing after it.
///
/// By `Deserialize`, not by `DeserializeBytes`, whose vectors panic on too few bytes where debug assertions are on (`tls_codec` 0.5).
pub(crate) fn exactly<T: Deserialize>(bytes: &[u8]) -> Option<T> {
    let mut rest = bytes;
    let value = T::tls_deserialize(&mut rest).ok()?;
    rest.is_empty().then_some(value)
}

pub(crate) fn encode(message: &MlsMessageOut) -> Result<Vec<u8>, MlsError> {
    message.to_bytes().map_err(MlsError::bug("encode a message"))
}

/// Where a commit belongs, as its bytes claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitEnvelope {
    /// The group that it names.
    pub group: GroupId,
    /// The epoch in which it was made.
    pub epoch: Epoch,
}

/// Reads where a commit belongs, to look the group up. Verifies no signature.
///
/// # Errors
/// `TooLarge`, or `Malformed` if it is not one `PublicMessage` with a commit of a member or of an external joiner.
pub fn commit_envelope(bytes: &[u8]) -> Result<CommitEnvelope, MlsError> {
    decode_commit(bytes).map(|(envelope, _)| envelope)
}

/// Reads the context that a commit carries in clear. Verifies no signature: whoever joins by this commit knows its digest from the log.
///
/// ```text
/// version, wire format   u16, u16        group id   <V> of 20 bytes        epoch   u64
/// sender                 u8 type, then u32 leaf if the type is 1 (member)  authenticated_data   <V> of 117 bytes
/// ```
/// Source: RFC 9420 §6.
///
/// # Errors
/// As for [`commit_envelope`], or `Malformed` if the context is not one.
pub fn commit_context(bytes: &[u8]) -> Result<CommitContext, MlsError> {
    const FAULT: MlsError = MlsError::Malformed("commit context");
    let (_, message) = decode_commit(bytes)?;
    let sender = if matches!(message.sender(), Sender::Member(_)) { 5 } else { 1 };
    let rest = bytes.get(2 + 2 + 1 + GroupId::LEN + 8 + sender..).ok_or(FAULT)?;
    let context = VLBytes::tls_deserialize(&mut &*rest).map_err(|_| FAULT)?;
    CommitContext::decode(context.as_slice()).map_err(|_| FAULT)
}

pub(crate) fn decode_commit(bytes: &[u8]) -> Result<(CommitEnvelope, PublicMessageIn), MlsError> {
    const FAULT: MlsError = MlsError::Malformed("commit");
    let MlsMessageBodyIn::PublicMessage(message) = decode(bytes, "commit", MAX_MESSAGE_LEN)? else { return Err(FAULT) };
    if message.content_type() != ContentType::Commit || !matches!(message.sender(), Sender::Member(_) | Sender::NewMemberCommit) {
        return Err(FAULT);
    }
    let group = GroupId::from_bytes(message.group_id().as_slice()).ok_or(FAULT)?;
    Ok((CommitEnvelope { group, epoch: Epoch(message.epoch().as_u64()) }, message))
}

/// Decodes a commit that belongs to the given place: `GRP-01`, and the epoch.
pub(crate) fn decode_commit_for(bytes: &[u8], group: GroupId, epoch: Epoch) -> Result<PublicMessageIn, MlsError> {
    let (envelope, message) = decode_commit(bytes)?;
    if envelope.group != group {
        return Err(Broken(GroupRule::NamesGroup).into());
    }
    if envelope.epoch != epoch {
        return Err(MlsError::OtherEpoch { message: envelope.epoch, group: epoch });
    }
    Ok(message)
}
