//! Nodes that follow each other, without sockets: what they want to send is carried by hand.

mod follow;
mod stream;
mod world;
