//! What runs for months without anybody looking.

pub mod alarm;
