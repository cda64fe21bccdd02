//! Binds group references to groups and resolves nesting.
