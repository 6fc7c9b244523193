"""`dns-node query`: asks servers and shows what they say."""
