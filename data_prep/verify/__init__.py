"""Is a data set whole and sound, what is in it, and how is it mended?"""
