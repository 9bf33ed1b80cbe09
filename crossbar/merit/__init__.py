"""Figures of merit of a measured memristor: how far it can be used, and how sure that is."""
