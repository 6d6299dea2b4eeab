//! Who may do what: the users of ACL SETUSER, and the one that is there from the start.

use slab::Slab;

use super::server::Server;

mod user;

pub(in crate::double) use user::{User, hashed};

/// The place of a user in [`Acl`]. When the user is gone, so are the clients that name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) struct UserKey(usize);

impl UserKey {
    /// The user that everybody is who has not said otherwise.
    pub const DEFAULT: UserKey = UserKey(0);
}

/// All users.
#[derive(Debug)]
pub(in crate::double) struct Acl {
    users: Slab<User>,
}

impl Default for Acl {
    fn default() -> Self {
        let mut users = Slab::new();
        users.insert(User::everything(b"default"));
        Acl { users }
    }
}

impl Acl {
    /// The user at this place. One that is not there would be a fault of ours; the default one stands for it.
    pub fn user(&self, key: UserKey) -> &User {
        self.users.get(key.0).unwrap_or(&self.users[0])
    }

    /// The user with this name.
    pub fn find(&self, name: &[u8]) -> Option<UserKey> {
        let found = self.users.iter().find(|(_, user)| user.name == name);
        found.map(|(at, _)| UserKey(at))
    }

    /// The user with this name and password.
    pub fn authenticated(&self, name: &[u8], password: &[u8]) -> Option<UserKey> {
        let key = self.find(name)?;
        self.user(key).lets_in(password).then_some(key)
    }

    /// Nobody has to say who they are.
    pub fn is_open(&self) -> bool {
        let user = self.user(UserKey::DEFAULT);
        user.no_password && user.enabled
    }
}

impl Server {
    /// `requirepass` has been set: it is the password of the default user.
    pub fn default_password(&mut self) {
        let user = &mut self.acl.users[0];
        user.passwords.clear();
        user.no_password = self.config.password.is_empty();
        if !user.no_password {
            user.passwords.push(hashed(&self.config.password));
        }
    }
}
