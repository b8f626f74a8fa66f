//! OpenMLS types to the plain facts that core's rules judge
