//! The agent's engine: device, case groups, sealing, store, sync, dossiers
