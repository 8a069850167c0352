//! Messages that wait to be sent: written only then, so that waiting costs nothing.

use std::net::SocketAddr;

use super::{Agent, MAX_JOBS};
use crate::media::ice::pair::{Request, reflexive};
use crate::media::ice::stun::{Class, TransactionId, Writer};
use crate::sdp::IceRole;

/// A message to be written when it is sent.
pub(super) enum Job {
    Ask {
        to: SocketAddr,
        transaction: TransactionId,
        role: IceRole,
        purpose: Purpose,
    },
    Confirm {
        to: SocketAddr,
        transaction: TransactionId,
    },
    RefuseRole {
        to: SocketAddr,
        transaction: TransactionId,
    },
    RefuseAttribute {
        to: SocketAddr,
        transaction: TransactionId,
        kind: u16,
    },
}

#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Check,
    Nominate,
}

impl Job {
    pub(super) fn ask(to: SocketAddr, request: &Request, purpose: Purpose) -> Self {
        Self::Ask {
            to,
            transaction: request.transaction,
            role: request.role,
            purpose,
        }
    }
}

impl Agent {
    pub(super) fn push(&mut self, job: Job) {
        if self.jobs.len() < MAX_JOBS {
            self.jobs.push_back(job);
        }
    }

    pub(super) fn write(&self, job: Job, buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
        let (ours, theirs) = (&self.terms.ours.credentials, &self.terms.theirs.credentials);
        match job {
            Job::Ask {
                to,
                transaction,
                role,
                purpose,
            } => {
                let writer = Writer::begin(buffer, Class::Request, transaction)
                    .username(&theirs.ufrag, &ours.ufrag)
                    .priority(reflexive(self.local_priority(to)))
                    .role(role, self.tie_breaker);
                let writer = match purpose {
                    Purpose::Check => writer,
                    Purpose::Nominate => writer.use_candidate(),
                };
                Some((to, writer.finish(&theirs.pwd)?))
            }
            Job::Confirm { to, transaction } => {
                let writer = Writer::begin(buffer, Class::Success, transaction).mapped(to);
                Some((to, writer.finish(&ours.pwd)?))
            }
            Job::RefuseRole { to, transaction } => {
                let writer = Writer::begin(buffer, Class::Error, transaction);
                Some((to, writer.error(487, "Role Conflict").finish(&ours.pwd)?))
            }
            Job::RefuseAttribute {
                to,
                transaction,
                kind,
            } => {
                let writer = Writer::begin(buffer, Class::Error, transaction)
                    .error(420, "Unknown Attribute")
                    .not_understood(kind);
                Some((to, writer.finish(&ours.pwd)?))
            }
        }
    }
}
