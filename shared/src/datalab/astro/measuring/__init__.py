"""What a single frame is worth: how sharp, how deep, how bright its sky."""
