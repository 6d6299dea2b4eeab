//! What is compared with the real server: the double. With `LABRUNNER_DOUBLE=real` a second real server stands in its place: then a case
//! that fails is itself wrong, for Redis does not answer it twice in the same way.

use std::net::SocketAddr;

use labrunner::double::Node;

use crate::real::Real;

pub enum Subject {
    Real(Real),
    Double(Node),
}

impl Subject {
    pub fn start() -> Subject {
        if std::env::var_os("LABRUNNER_DOUBLE").is_some_and(|double| double == "real") {
            return Subject::Real(Real::start());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        Subject::Double(runtime.block_on(Node::start()).unwrap())
    }

    pub fn address(&self) -> SocketAddr {
        match self {
            Subject::Real(server) => server.address(),
            Subject::Double(node) => node.address(),
        }
    }
}
