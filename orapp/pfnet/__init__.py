"""PFNet in torch, its losses and its ONNX export; with engines/torch.py, the only room for torch."""
