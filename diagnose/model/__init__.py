"""What does the model itself say of rows?"""
