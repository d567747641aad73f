//! A database that stops, dies, vanishes, dawdles or forgets to answer: nothing that was acknowledged is lost, nothing
//! that was spent or revoked comes back, and when the fault is over nobody has noticed more than a pause.

mod answers;
mod conflicts;
mod failover;
mod network;
mod servers;
mod site;
