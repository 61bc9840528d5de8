//! How the parts of an event are written into bytes: whole numbers in LEB128, texts with their length in front.

use nowfold_schemas::action::Attribute;

pub(crate) const FALSE: u8 = 0;
pub(crate) const TRUE: u8 = 1;
pub(crate) const INT: u8 = 2;
pub(crate) const FLOAT: u8 = 3;
pub(crate) const TEXT: u8 = 4;
/// A vector that is kept beside the bytes.
pub(crate) const SHARED: u8 = 5;
/// A vector among the bytes.
pub(crate) const VECTOR: u8 = 6;
pub(crate) const LIST: u8 = 7;
pub(crate) const NULL: u8 = 8;

pub(crate) fn put_u64(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        let [low, ..] = value.to_le_bytes();
        bytes.push(low | 0x80);
        value >>= 7;
    }
    let [low, ..] = value.to_le_bytes();
    bytes.push(low);
}

pub(crate) fn put_i64(bytes: &mut Vec<u8>, value: i64) {
    put_u64(bytes, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

pub(crate) fn put_bytes(bytes: &mut Vec<u8>, part: &[u8]) {
    put_u64(bytes, part.len() as u64);
    bytes.extend_from_slice(part);
}

pub(crate) fn put_vector(bytes: &mut Vec<u8>, vector: &[f32]) {
    bytes.push(VECTOR);
    put_u64(bytes, size_of_val(vector) as u64);
    let at = bytes.len();
    bytes.resize(at + size_of_val(vector), 0);
    let (packed, _) = bytes.get_mut(at..).unwrap_or(&mut []).as_chunks_mut();
    packed.iter_mut().zip(vector).for_each(|(packed, x)| *packed = x.to_le_bytes());
}

/// Writes an attribute; a vector goes among the bytes.
pub(crate) fn put_attribute(bytes: &mut Vec<u8>, attribute: &Attribute) {
    match attribute {
        Attribute::Null => bytes.push(NULL),
        Attribute::Bool(value) => bytes.push(if *value { TRUE } else { FALSE }),
        Attribute::Int(value) => {
            bytes.push(INT);
            put_i64(bytes, *value);
        }
        Attribute::Float(value) => {
            bytes.push(FLOAT);
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        Attribute::Text(text) => {
            bytes.push(TEXT);
            put_bytes(bytes, text.as_bytes());
        }
        Attribute::Vector(vector) => put_vector(bytes, vector),
        Attribute::List(items) => {
            let mut inner = Vec::new();
            items.iter().for_each(|item| put_attribute(&mut inner, item));
            bytes.push(LIST);
            put_bytes(bytes, &inner);
        }
    }
}

/// Reads what was written. At the end it reads zeros and nothing, which no caller gets to see.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_at_end(self) -> bool {
        self.0.is_empty()
    }

    /// What was not read yet.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn u64(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 || shift > 63 {
                return value;
            }
        }
    }

    pub(crate) fn i64(&mut self) -> i64 {
        let value = self.u64();
        (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let Some((first, rest)) = self.0.split_first_chunk() else { return [0; N] };
        self.0 = rest;
        *first
    }

    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let n = usize::try_from(self.u64()).unwrap_or(usize::MAX);
        let Some((part, rest)) = self.0.split_at_checked(n) else { return &[] };
        self.0 = rest;
        part
    }

    /// The bytes of the value that follows a tag.
    pub(crate) fn value(&mut self, tag: u8) -> &'a [u8] {
        match tag {
            INT => {
                let all = self.0;
                self.u64();
                all.get(..all.len() - self.0.len()).unwrap_or(&[])
            }
            FLOAT => {
                let Some((part, rest)) = self.0.split_at_checked(8) else { return &[] };
                self.0 = rest;
                part
            }
            TEXT | VECTOR | LIST => self.bytes(),
            _ => &[],
        }
    }
}

/// Written texts are UTF-8.
pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_come_back() {
        for value in [0, 1, -1, 63, -64, 64, 300, i64::MAX, i64::MIN] {
            let mut bytes = Vec::new();
            put_i64(&mut bytes, value);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.i64(), value);
            assert!(reader.is_at_end());
        }
    }
}
