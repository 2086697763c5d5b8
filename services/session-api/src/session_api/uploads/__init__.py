"""Files that come in over HTTP: from observatories by signed forms, from people in parts."""
