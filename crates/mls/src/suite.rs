//! The one cipher suite, and what groups and leaves are made with.

use custodia_core::group::rules;
use openmls::prelude::{
    Capabilities, Ciphersuite, CredentialType, Extension, ExtensionType, Extensions, GroupContext, Lifetime, MlsGroupCreateConfig,
    MlsGroupJoinConfig, PURE_PLAINTEXT_WIRE_FORMAT_POLICY, ProtocolVersion, RequiredCapabilitiesExtension, SenderRatchetConfiguration,
};

use crate::MlsError;

/// Suite 0x004E: X-Wing (ML-KEM-768 with X25519), AES-256-GCM, SHA-384, Ed25519.
pub(crate) const SUITE: Ciphersuite = Ciphersuite::MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519;

/// Messages of so many earlier epochs can still be decrypted.
const PAST_EPOCHS: usize = 5;
/// A message may come so many places late.
const OUT_OF_ORDER: u32 = 20;
/// So many messages of a sender may be missing.
const FORWARD: u32 = 1000;
/// Application messages are padded to a multiple of so many bytes.
const PADDING: usize = 256;

/// What every leaf says it can do: exactly what a case group uses.
pub(crate) fn capabilities() -> Capabilities {
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[SUITE]),
        Some(&[ExtensionType::LastResort]),
        Some(&[]),
        Some(&[CredentialType::X509]),
    )
}

/// The group context's only extension: X.509 credentials are required.
pub(crate) fn group_extensions() -> Result<Extensions<GroupContext>, MlsError> {
    let required = RequiredCapabilitiesExtension::new(&[], &[], &[CredentialType::X509]);
    Extensions::single(Extension::RequiredCapabilities(required)).map_err(MlsError::bug("state required capabilities"))
}

pub(crate) fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .padding_size(PADDING)
        .max_past_epochs(PAST_EPOCHS)
        .number_of_resumption_psks(1)
        .use_ratchet_tree_extension(true)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(OUT_OF_ORDER, FORWARD))
        .build()
}

pub(crate) fn create_config(now: u64) -> Result<MlsGroupCreateConfig, MlsError> {
    Ok(MlsGroupCreateConfig::builder()
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .padding_size(PADDING)
        .max_past_epochs(PAST_EPOCHS)
        .number_of_resumption_psks(1)
        .use_ratchet_tree_extension(true)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(OUT_OF_ORDER, FORWARD))
        .ciphersuite(SUITE)
        .capabilities(capabilities())
        .lifetime(lifetime(now))
        .with_group_context_extensions(group_extensions()?)
        .build())
}

/// From an hour before `now` (clocks differ) for 730 days; `now` in seconds since 1970.
///
/// The end is far away because OpenMLS compares it with the clock of whoever processes the commit, however late; the age at
/// which a key package may be *used* is bounded by `GRP-10` on the log's time.
pub(crate) fn lifetime(now: u64) -> Lifetime {
    let not_before = now.saturating_sub(rules::CLOCK_SKEW);
    Lifetime::init(not_before, not_before.saturating_add(rules::MAX_KEY_PACKAGE_LIFETIME))
}
