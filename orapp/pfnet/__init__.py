"""PFNet in torch, its losses, its ONNX export; with engines/torch.py the only room for torch."""
