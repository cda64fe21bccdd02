//! Windows security identifiers.

use std::fmt;

/// A security identifier (MS-DTYP 2.4.2): `S-1-5-21-…-RID`. Used for primary groups and to name a group in the mapping.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sid {
    authority: u64,
    parts: Vec<u32>,
}

impl Sid {
    /// From the binary form: revision 1, a count of at most 15, a 48-bit authority, the sub-authorities.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[revision, count], rest) = bytes.split_first_chunk::<2>()?;
        let (authority, rest) = rest.split_first_chunk::<6>()?;
        if revision != 1 || count > 15 || rest.len() != usize::from(count) * 4 {
            return None;
        }
        let authority = authority.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let parts = rest.as_chunks::<4>().0.iter().map(|part| u32::from_le_bytes(*part)).collect();
        Some(Self { authority, parts })
    }

    /// The binary form.
    pub fn to_bytes(&self) -> Vec<u8> {
        // The constructors take no more than 15 parts.
        let count = self.parts.len() as u8;
        let authority = self.authority.to_be_bytes();
        let parts = self.parts.iter().flat_map(|part| part.to_le_bytes());
        [1, count].into_iter().chain(authority.into_iter().skip(2)).chain(parts).collect()
    }

    /// The last part, which tells the objects of one domain apart; `None` where there is none.
    pub fn rid(&self) -> Option<u32> {
        self.parts.last().copied()
    }

    /// From the text form, `S-1-5-21-1-2-3-513`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.trim().split('-');
        if !fields.next()?.eq_ignore_ascii_case("s") || fields.next()? != "1" {
            return None;
        }
        let authority = fields.next()?.parse().ok().filter(|authority: &u64| *authority < 1 << 48)?;
        let parts: Vec<u32> = fields.map(|field| field.parse().ok()).collect::<Option<_>>()?;
        (parts.len() <= 15).then_some(Self { authority, parts })
    }

    /// The identifier of another object of the same domain: the last part replaced by `rid`.
    pub fn sibling(&self, rid: u32) -> Option<Self> {
        let mut parts = self.parts.clone();
        *parts.last_mut()? = rid;
        Some(Self { authority: self.authority, parts })
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S-1-{}", self.authority)?;
        self.parts.iter().try_for_each(|part| write!(f, "-{part}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_text_agree() {
        let bytes = [1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 2, 0, 0];
        let sid = Sid::from_bytes(&bytes).unwrap();
        assert_eq!(sid.to_string(), "S-1-5-21-513");
        assert_eq!(Sid::parse("s-1-5-21-513"), Some(sid.clone()));
        assert_eq!(sid.sibling(7).unwrap().to_string(), "S-1-5-21-7");
        assert_eq!(sid.to_bytes(), bytes);
        assert_eq!(sid.rid(), Some(513));
    }

    #[test]
    fn damaged_forms_are_refused() {
        for bytes in
            [&[][..], &[1], &[2, 0, 0, 0, 0, 0, 0, 5], &[1, 1, 0, 0, 0, 0, 0, 5, 1, 2, 3], &[1, 255, 0, 0, 0, 0, 0, 5]]
        {
            assert_eq!(Sid::from_bytes(bytes), None);
        }
        for text in ["", "S-1", "S-1-", "S-1-x", "S-1-5-99999999999", "Sales", "S-2-5-21"] {
            assert_eq!(Sid::parse(text), None, "{text}");
        }
    }
}
