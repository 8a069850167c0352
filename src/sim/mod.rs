//! The other side to play against: a WhatsApp endpoint and a PBX, built from other parts than the bridge.
