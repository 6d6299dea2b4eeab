//! Nodes that follow each other, without sockets: what they want to send is carried by hand.

mod follow;
mod random;
mod stream;
mod world;
