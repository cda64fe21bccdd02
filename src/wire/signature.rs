//! SigV4: what is signed, and the check of it (AWS "Signature Version 4" documentation, "Create a signed request").
