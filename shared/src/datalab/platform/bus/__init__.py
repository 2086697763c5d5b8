"""The bus: publishing that is acknowledged, consuming settled by one set of rules."""
