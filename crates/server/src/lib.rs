//! Delivery service, blob gateway, sequencer, registry
