"""Fabrication campaigns: which device to make next, asked and told over months."""
