"""What stands between a question and its resolution: special names, DNS64, rebinding, RPZ."""
