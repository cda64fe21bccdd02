//! Windows security identifiers.

use std::fmt;

/// A security identifier (MS-DTYP 2.4.2): `S-1-5-21-…-RID`. Used for primary groups and to name a group in the mapping.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sid(Form);

/// The authority of Windows' own identifiers, and the first part of those of domains and computers.
const NT_AUTHORITY: u64 = 5;
const OF_A_DOMAIN: u32 = 21;

/// MS-DTYP 2.4.2.2.
const PARTS_MAX: usize = 15;

/// Of all ways to say one thing, the first that fits.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Form {
    /// `S-1-5-21-a-b-c-RID`, as people and groups have: nothing of it is kept elsewhere.
    InDomain([u32; 4]),
    /// Any other.
    Other(Box<(u64, Vec<u32>)>),
}

impl Sid {
    fn of(authority: u64, parts: &[u32]) -> Self {
        match *parts {
            [OF_A_DOMAIN, a, b, c, rid] if authority == NT_AUTHORITY => Self(Form::InDomain([a, b, c, rid])),
            _ => Self(Form::Other(Box::new((authority, parts.to_vec())))),
        }
    }

    /// From the binary form: revision 1, a count of at most 15, a 48-bit authority, the sub-authorities.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[revision, count], rest) = bytes.split_first_chunk::<2>()?;
        let (authority, rest) = rest.split_first_chunk::<6>()?;
        if revision != 1 || usize::from(count) > PARTS_MAX || rest.len() != usize::from(count) * 4 {
            return None;
        }
        let authority = authority.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let mut parts = [0; PARTS_MAX];
        let parts = parts.get_mut(..usize::from(count))?;
        parts.iter_mut().zip(rest.as_chunks().0).for_each(|(part, bytes)| *part = u32::from_le_bytes(*bytes));
        Some(Self::of(authority, parts))
    }

    /// The binary form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (authority, parts) = match &self.0 {
            Form::InDomain([a, b, c, rid]) => (NT_AUTHORITY, &[OF_A_DOMAIN, *a, *b, *c, *rid][..]),
            Form::Other(other) => (other.0, &other.1[..]),
        };
        // The constructors take no more than 15 parts.
        let begin = [1, parts.len() as u8].into_iter().chain(authority.to_be_bytes().into_iter().skip(2));
        begin.chain(parts.iter().flat_map(|part| part.to_le_bytes())).collect()
    }

    /// The last part, which tells the objects of one domain apart; `None` where there is none.
    pub fn rid(&self) -> Option<u32> {
        match &self.0 {
            Form::InDomain([.., rid]) => Some(*rid),
            Form::Other(other) => other.1.last().copied(),
        }
    }

    /// From the text form, `S-1-5-21-1-2-3-513`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.trim().split('-');
        if !fields.next()?.eq_ignore_ascii_case("s") || fields.next()? != "1" {
            return None;
        }
        let authority = fields.next()?.parse().ok().filter(|authority: &u64| *authority < 1 << 48)?;
        let parts: Vec<u32> = fields.map(|field| field.parse().ok()).collect::<Option<_>>()?;
        (parts.len() <= PARTS_MAX).then(|| Self::of(authority, &parts))
    }

    /// The identifier of another object of the same domain: the last part replaced by `rid`.
    pub fn sibling(&self, rid: u32) -> Option<Self> {
        match &self.0 {
            Form::InDomain([a, b, c, _]) => Some(Self(Form::InDomain([*a, *b, *c, rid]))),
            Form::Other(other) => {
                let (authority, mut parts) = (other.0, other.1.clone());
                *parts.last_mut()? = rid;
                Some(Self::of(authority, &parts))
            }
        }
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::InDomain([a, b, c, rid]) => write!(f, "S-1-{NT_AUTHORITY}-{OF_A_DOMAIN}-{a}-{b}-{c}-{rid}"),
            Form::Other(other) => {
                write!(f, "S-1-{}", other.0)?;
                other.1.iter().try_for_each(|part| write!(f, "-{part}"))
            }
        }
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
        assert_eq!((sid.to_bytes(), sid.rid()), (bytes.to_vec(), Some(513)));
        let person = Sid::parse("S-1-5-21-1-2-4294967295-1104").unwrap();
        assert_eq!(person.sibling(513), Sid::parse("S-1-5-21-1-2-4294967295-513"));
        assert_eq!(person.to_string(), "S-1-5-21-1-2-4294967295-1104");
        let bytes = [1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 255, 255, 255, 255, 80, 4, 0, 0];
        assert_eq!((person.to_bytes(), person.rid()), (bytes.to_vec(), Some(1104)));
        assert_eq!(Sid::from_bytes(&bytes), Some(person));
        assert_eq!(Sid::parse("S-1-5").unwrap().sibling(1), None);
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
