//! TLS presentation language (RFC 5246 §4): numbers and vectors, read and written.

/// A structure is cut short, too long, or has a value that it may not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed")]
pub struct Malformed;

#[derive(Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub fn u8(&mut self) -> Result<u8, Malformed> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    pub fn u24(&mut self) -> Result<usize, Malformed> {
        let [a, b, c] = self.array()?;
        Ok(u32::from_be_bytes([0, a, b, c]) as usize)
    }

    /// A vector whose length takes one byte.
    pub fn vector8(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u8()?;
        self.bytes(length.into())
    }

    pub fn vector16(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u16()?;
        self.bytes(length.into())
    }

    pub fn vector24(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u24()?;
        self.bytes(length)
    }

    pub fn finish(self) -> Result<(), Malformed> {
        match self.is_empty() {
            true => Ok(()),
            false => Err(Malformed),
        }
    }
}

/// A vector of two-byte values.
#[derive(Clone, Copy, Default)]
pub struct Numbers<'a>(&'a [[u8; 2]]);

impl<'a> Numbers<'a> {
    pub fn new(vector: &'a [u8]) -> Result<Self, Malformed> {
        match vector.as_chunks() {
            (pairs, []) => Ok(Self(pairs)),
            (_, _) => Err(Malformed),
        }
    }

    /// A body that has them behind their length of two bytes, and nothing else.
    pub fn of_body(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let numbers = Self::new(reader.vector16()?)?;
        reader.finish()?;
        Ok(numbers)
    }

    pub fn contains(self, number: u16) -> bool {
        self.0.contains(&number.to_be_bytes())
    }

    /// If there is just one.
    pub fn only(self) -> Option<u16> {
        match self.0 {
            [number] => Some(u16::from_be_bytes(*number)),
            _ => None,
        }
    }
}

pub fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Of `value`, the lower three bytes.
pub fn put_u24(out: &mut Vec<u8>, value: usize) {
    out.extend_from_slice(&u24(value));
}

pub fn u24(value: usize) -> [u8; 3] {
    let [.., a, b, c] = value.to_be_bytes();
    [a, b, c]
}

pub fn put_vector8(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(bytes.len() as u8);
    out.extend_from_slice(bytes);
}

pub fn put_vector16(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u16(out, bytes.len() as u16);
    out.extend_from_slice(bytes);
}

pub fn put_vector24(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u24(out, bytes.len());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_number_is_none() {
        assert!(Numbers::new(&[1, 2, 3, 4]).is_ok_and(|numbers| numbers.contains(0x0304)));
        assert!(Numbers::new(&[]).is_ok_and(|numbers| numbers.only().is_none()));
        for odd in [&[1][..], &[1, 2, 3]] {
            assert_eq!(Numbers::new(odd).err(), Some(Malformed));
        }
    }

    #[test]
    fn nothing_stands_behind_the_numbers_of_a_body() {
        let only = |body: &[u8]| Numbers::of_body(body).map(Numbers::only);
        assert_eq!(only(&[0, 2, 4, 3]), Ok(Some(0x0403)));
        assert_eq!(only(&[0, 2, 4, 3, 0]), Err(Malformed));
        assert_eq!(only(&[0, 3, 4, 3, 0]), Err(Malformed));
    }
}
