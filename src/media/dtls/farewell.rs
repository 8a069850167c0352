//! An alert of ours, and its repetitions.

/// How often it is said at most.
const MOST: u8 = 6;

/// Nobody acknowledges an alert: to a peer that goes on as if it had missed it, it is said again (RFC 9147 §5.10), as the
/// same record, so that it counts once.
pub struct Farewell {
    alert: Vec<u8>,
    said: u8,
    wanted: u8,
}

impl Farewell {
    pub fn new(alert: Vec<u8>) -> Self {
        Self {
            alert,
            said: 0,
            wanted: 1,
        }
    }

    /// The peer goes on.
    pub fn handle_datagram(&mut self) {
        self.wanted = MOST.min(self.said + 1);
    }

    /// Writes the datagram into `buffer`, if it is to be sent, and says how long it is.
    pub fn write(&mut self, buffer: &mut [u8]) -> Option<usize> {
        if self.said == self.wanted {
            return None;
        }
        self.said += 1;
        buffer
            .get_mut(..self.alert.len())?
            .copy_from_slice(&self.alert);
        Some(self.alert.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn said_once_and_five_times_again() {
        let mut farewell = Farewell::new(vec![2, 42]);
        let mut buffer = [0; 10];
        assert_eq!(farewell.write(&mut buffer), Some(2));
        assert_eq!(buffer[..2], [2, 42]);
        assert_eq!(farewell.write(&mut buffer), None);
        let mut again = 0;
        for _ in 0..100 {
            farewell.handle_datagram();
            farewell.handle_datagram();
            again += farewell.write(&mut buffer).iter().count();
            assert_eq!(farewell.write(&mut buffer), None);
        }
        assert_eq!(again, 5);
    }
}
