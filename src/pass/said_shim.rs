//! SHIM
/// shim
#[derive(Debug, Default)]
pub struct Said;
impl Said {
    /// shim
    pub fn tell(&mut self, _: &super::Report, _: bool) {}
}
