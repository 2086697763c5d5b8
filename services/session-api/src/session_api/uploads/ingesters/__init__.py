"""Files and frames of OCS ingesters, which store through our S3 door and then say what they have stored."""
