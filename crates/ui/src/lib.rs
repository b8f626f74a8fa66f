//! Pages that the agent serves on loopback
