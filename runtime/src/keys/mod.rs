//! Secrets at rest (the key ring) and tokens in flight (issuing and verifying JWTs).
