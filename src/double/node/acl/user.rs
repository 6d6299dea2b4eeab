//! One user.

use sha2::{Digest, Sha256};

/// A user of ACL SETUSER.
#[derive(Debug, Clone)]
pub(in crate::double) struct User {
    /// Any bytes but spaces and zeros.
    pub name: Vec<u8>,
    /// `on`.
    pub enabled: bool,
    /// `nopass`: any password will do.
    pub no_password: bool,
    /// Of the passwords their SHA-256 as 64 hexadecimal digits, in the order in which they were given.
    pub passwords: Vec<String>,
}

impl User {
    /// One who may do everything, and needs no password.
    pub fn everything(name: &[u8]) -> User {
        User {
            name: name.to_vec(),
            enabled: true,
            no_password: true,
            passwords: Vec::new(),
        }
    }

    /// Whether this is a password of the user, and the user is on.
    pub fn lets_in(&self, password: &[u8]) -> bool {
        self.enabled && (self.no_password || self.passwords.contains(&hashed(password)))
    }
}

/// The SHA-256 of a password as 64 hexadecimal digits.
pub(in crate::double) fn hashed(password: &[u8]) -> String {
    let digest = Sha256::digest(password);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
